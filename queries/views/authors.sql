-- title: authors
-- description: Who made each change, as far as it is proven: the best evidence there is.
select
  objects.uid,
  attributions.what,
  attributions.generation,
  attributions.actor,
  attributions.impersonated,
  attributions.basis,
  attributions.source,
  attributions.position
from attributions
join objects
  on objects.id = attributions.object_id
where attributions.best = 1
