select position
from notes
where note_id = :note_id
