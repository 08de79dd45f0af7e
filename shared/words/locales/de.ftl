light = leichter Regen
moderate = mäßiger Regen
heavy = starker Regen
violent = Wolkenbruch
clock = { $hour }:{ $minute }
rate = { $number } mm/h
minutes = { $minutes } min
hours = { $hours } h { $minutes } min
percent = { $number }{"\u00A0"}%
speed = { $number } km/h
towards = { $sector ->
    [0] Norden
    [1] Nordosten
    [2] Osten
    [3] Südosten
    [4] Süden
    [5] Südwesten
    [6] Westen
   *[7] Nordwesten
}

with-facts = { $headline }: { $facts }.
plain = { $headline }.
coming = Regen zieht auf { $place } zu
begun = In { $place } hat es zu regnen begonnen (gesehen um { $time })
raining = Es regnet in { $place } (gesehen um { $time })
intensifying = Der Regen in { $place } wird stärker
ending = Der Regen in { $place } hört bald auf
ended = Der Regen in { $place } hat gegen { $time } aufgehört
false-alarm = Entwarnung für { $place }: Der gegen { $time } erwartete Regen ist ausgeblieben
heavy-rain = Starker Regen bei { $place }
heavy-rain-over = Der starke Regen bei { $place } ist schwächer geworden oder abgezogen

starts = Beginn gegen { $time }
starts-in = Beginn gegen { $time } (in { $minutes } min)
window = wahrscheinlich zwischen { $from } und { $to }
rain = { $intensity } ({ $rate })
up-to = bis { $rate }
until = bis etwa { $time }
until-lasting = bis etwa { $time } ({ $duration })
ends-about = voraussichtlich gegen { $time }
chance = Wahrscheinlichkeit { $percent }
strongest = höchstens { $rate }
moving = zieht mit { $speed } nach { $towards }

hail = Hagel ist möglich; die Radarwerte sind dort gekappt.

alt = Animierte Radarkarte der Umgebung von { $place }: der beobachtete Regen von { $from } bis { $time }, danach die Vorhersage bis { $to }.
alt-still = Radarkarte der Umgebung von { $place }: der um { $time } beobachtete Regen.

outlook = { $place }, nächste { $duration }
outlook-dry = kein Regen in Sicht
outlook-unknown = zurzeit keine Vorhersage
outlook-now = jetzt Regen, { $rain }
outlook-from = Regen ab etwa { $time }, { $rain }
digest = Regen um { $time }
digest-place = { $place } ({ $intensity })
digest-more = und { $count ->
    [one] ein weiterer Ort
   *[other] { $count } weitere Orte
}
score = Unsere Regenwarnungen der letzten { $days } Tage
score-hits = { $count } trafen ein
score-false = { $count ->
    [one] ein Fehlalarm
   *[other] { $count } Fehlalarme
}
score-misses = { $count }-mal Regen ohne Warnung
score-start = Beginn { $minutes } min daneben (Median)
score-lead = { $minutes } min vorher gewarnt (Median)
score-none = keine Warnungen und kein Regen

summary-no-forecast = Hier gibt es zurzeit keine Vorhersage.
summary-no-data = Hier gibt es keine Radardaten.
summary-not-yet = Noch keine Vorhersage.
summary-old = Die Daten sind { $minutes } min alt.
summary-now = Jetzt
summary-expected = Regen um { $time } erwartet (in { $minutes } min)
summary-for-at-least = mindestens die nächsten { $span }
summary-beyond = bis nach { $time }
summary-unknown-after = nach { $time } unbekannt
summary-dry = Trocken, die nächsten { $span }.
summary-dry-partly = Kein Regen in Sicht, aber ein Teil der nächsten { $span } ist unbekannt.
summary-dry-until = Trocken bis { $time }, danach unbekannt.
two-hours = 2 Stunden
