update progress
set fold = :edition
