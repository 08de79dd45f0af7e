light = pluie faible
moderate = pluie modérée
heavy = forte pluie
violent = pluie très violente
clock = { $hour }h{ $minute }
rate = { $number } mm/h
minutes = { $minutes } min
hours = { $hours } h { $minutes } min
percent = { $number }{"\u00A0"}%
speed = { $number } km/h
towards = { $sector ->
    [0] le nord
    [1] le nord-est
    [2] l’est
    [3] le sud-est
    [4] le sud
    [5] le sud-ouest
    [6] l’ouest
   *[7] le nord-ouest
}

with-facts = { $headline } : { $facts }.
plain = { $headline }.
coming = { $place }, la pluie arrive
begun = { $place }, la pluie a commencé (vue à { $time })
raining = { $place }, il pleut (vu à { $time })
intensifying = { $place }, la pluie se renforce
ending = { $place }, la pluie va bientôt cesser
ended = { $place }, la pluie a cessé vers { $time }
false-alarm = { $place }, fin d’alerte : la pluie attendue vers { $time } n’est pas venue
heavy-rain = Forte pluie près de { $place }
heavy-rain-over = La forte pluie près de { $place } a faibli ou s’est éloignée

starts = début vers { $time }
starts-in = début vers { $time } (dans { $minutes } min)
window = probablement entre { $from } et { $to }
rain = { $intensity } ({ $rate })
up-to = jusqu’à { $rate }
until = jusque vers { $time }
until-lasting = jusque vers { $time } ({ $duration })
ends-about = sans doute vers { $time }
chance = probabilité { $percent }
strongest = au plus fort { $rate }
moving = se déplace vers { $towards } à { $speed }

hail = Grêle possible ; l’intensité mesurée y est plafonnée.

alt = Carte radar animée des environs : { $place }. La pluie observée de { $from } à { $time }, puis la prévision jusqu’à { $to }.
alt-still = Carte radar des environs : { $place }. La pluie observée à { $time }.

outlook = { $place }, prochaines { $duration }
outlook-dry = pas de pluie en vue
outlook-unknown = pas de prévision pour le moment
outlook-now = il pleut, { $rain }
outlook-from = pluie à partir de { $time }, { $rain }
digest = Il pleut à { $time }
digest-place = { $place } ({ $intensity })
digest-more = et { $count ->
    [one] un autre lieu
   *[other] { $count } autres lieux
}
score = Nos alertes de pluie des { $days } derniers jours
score-hits = { $count } confirmées
score-false = { $count ->
    [one] une fausse alerte
   *[other] { $count } fausses alertes
}
score-misses = { $count ->
    [one] une pluie non annoncée
   *[other] { $count } pluies non annoncées
}
score-start = début à { $minutes } min près (médiane)
score-lead = annoncées { $minutes } min avant (médiane)
score-none = ni alerte ni pluie

summary-no-forecast = Pas de prévision ici pour le moment.
summary-no-data = Pas de données radar ici.
summary-not-yet = Pas encore de prévision.
summary-old = Les données datent de { $minutes } min.
summary-now = En ce moment
summary-expected = Pluie attendue à { $time } (dans { $minutes } min)
summary-for-at-least = encore au moins { $span }
summary-beyond = au-delà de { $time }
summary-unknown-after = inconnu après { $time }
summary-dry = Pas de pluie pendant { $span }.
summary-dry-partly = Pas de pluie en vue, mais une partie des prochaines { $span } est inconnue.
summary-dry-until = Sec jusqu’à { $time }, inconnu ensuite.
two-hours = 2 heures
