# Names and numbers
light = light
moderate = moderate
heavy = heavy
violent = violent
clock = { $hour }:{ $minute }
rate = { $number } mm/h
minutes = { $minutes } min
hours = { $hours } h { $minutes } min
percent = { $number }%
speed = { $number } km/h
towards = { $sector ->
    [0] north
    [1] north-east
    [2] east
    [3] south-east
    [4] south
    [5] south-west
    [6] west
   *[7] north-west
}

# What happens, at the beginning of a post
with-facts = { $headline }: { $facts }.
plain = { $headline }.
coming = Rain coming to { $place }
begun = Rain has begun at { $place } (seen at { $time })
raining = It is raining at { $place } (seen at { $time })
intensifying = Rain at { $place } is getting stronger
ending = Rain at { $place } is about to end
ended = Rain has ended at { $place } about { $time }
false-alarm = All clear for { $place }: the rain expected about { $time } did not come
heavy-rain = Heavy rain near { $place }
heavy-rain-over = The heavy rain near { $place } has weakened or moved on

# What is known of it, joined by commas
starts = starts about { $time }
starts-in = starts about { $time } (in { $minutes } min)
window = likely between { $from } and { $to }
rain = { $intensity } ({ $rate })
up-to = up to { $rate }
until = until about { $time }
until-lasting = until about { $time } ({ $duration })
ends-about = expected about { $time }
chance = chance { $percent }
strongest = at its strongest { $rate }
moving = moving { $towards } at { $speed }

# Sentences after it
hail = Hail is possible; radar rates are capped there.

# The picture, for those who do not see it
alt = Animated radar map of the surroundings of { $place }: the rain observed from { $from } to { $time }, then the forecast until { $to }.
alt-still = Radar map of the surroundings of { $place }: the rain observed at { $time }.

# Told on a schedule
outlook = { $place }, next { $duration }
outlook-dry = no rain in sight
outlook-unknown = no forecast at the moment
outlook-now = raining now, { $rain }
outlook-from = rain from about { $time }, { $rain }
digest = Raining at { $time }
digest-place = { $place } ({ $intensity })
digest-more = and { $count ->
    [one] one more place
   *[other] { $count } more places
}
score = Our rain warnings of the last { $days } days
score-hits = { $count } came true
score-false = { $count ->
    [one] one false alarm
   *[other] { $count } false alarms
}
score-misses = { $count ->
    [one] one rain came unwarned
   *[other] { $count } rains came unwarned
}
score-start = start off by { $minutes } min (median)
score-lead = warned { $minutes } min ahead (median)
score-none = no warnings and no rain

# A place's next two hours in one sentence
summary-no-forecast = No current forecast here.
summary-no-data = No radar data here.
summary-not-yet = No forecast yet.
summary-old = The data are { $minutes } min old.
summary-now = Raining now
summary-expected = Rain expected at { $time } (in { $minutes } min)
summary-for-at-least = for at least the next { $span }
summary-beyond = lasting beyond { $time }
summary-unknown-after = unknown after { $time }
summary-dry = Dry for the next { $span }.
summary-dry-partly = No rain in sight, but part of the next { $span } is unknown.
summary-dry-until = Dry until { $time }, unknown after that.
two-hours = 2 hours
