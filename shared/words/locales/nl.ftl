light = lichte regen
moderate = matige regen
heavy = zware regen
violent = wolkbreuk
clock = { $hour }:{ $minute }
rate = { $number } mm/u
minutes = { $minutes } min
hours = { $hours } u { $minutes } min
percent = { $number }%
speed = { $number } km/u
towards = { $sector ->
    [0] noorden
    [1] noordoosten
    [2] oosten
    [3] zuidoosten
    [4] zuiden
    [5] zuidwesten
    [6] westen
   *[7] noordwesten
}

with-facts = { $headline }: { $facts }.
plain = { $headline }.
coming = Regen op komst voor { $place }
begun = Bij { $place } is het gaan regenen (gezien om { $time })
raining = Het regent nu bij { $place } (gezien om { $time })
intensifying = De regen bij { $place } wordt heviger
ending = De regen bij { $place } houdt bijna op
ended = Het is droog bij { $place } sinds ongeveer { $time }
false-alarm = Loos alarm voor { $place }: de regen die rond { $time } verwacht werd, is niet gekomen
heavy-rain = Zware regen bij { $place }
heavy-rain-over = De zware regen bij { $place } is afgezwakt of verder getrokken

starts = begint rond { $time }
starts-in = begint rond { $time } (over { $minutes } min)
window = waarschijnlijk tussen { $from } en { $to }
rain = { $intensity } ({ $rate })
up-to = tot { $rate }
until = tot ongeveer { $time }
until-lasting = tot ongeveer { $time } ({ $duration })
ends-about = naar verwachting rond { $time }
chance = kans { $percent }
strongest = op zijn hevigst { $rate }
moving = trekt met { $speed } naar het { $towards }

hail = Er kan hagel vallen; de gemeten neerslag is daar begrensd.

alt = Bewegende radarkaart van de omgeving van { $place }: de waargenomen regen van { $from } tot { $time }, daarna de verwachting tot { $to }.
alt-still = Radarkaart van de omgeving van { $place }: de om { $time } waargenomen regen.

outlook = { $place }, komende { $duration }
outlook-dry = geen regen in zicht
outlook-unknown = op dit moment geen verwachting
outlook-now = nu regen, { $rain }
outlook-from = regen vanaf ongeveer { $time }, { $rain }
digest = Regen om { $time }
digest-place = { $place } ({ $intensity })
digest-more = en nog { $count ->
    [one] één plaats
   *[other] { $count } plaatsen
}
score = Onze regenwaarschuwingen van de laatste { $days } dagen
score-hits = { $count } kwamen uit
score-false = { $count }× loos alarm
score-misses = { $count }× regen zonder waarschuwing
score-start = begin { $minutes } min ernaast (mediaan)
score-lead = { $minutes } min vooraf gewaarschuwd (mediaan)
score-none = geen waarschuwingen en geen regen

summary-no-forecast = Hier is nu geen verwachting.
summary-no-data = Hier zijn geen radargegevens.
summary-not-yet = Nog geen verwachting.
summary-old = De gegevens zijn { $minutes } min oud.
summary-now = Nu
summary-expected = Regen verwacht om { $time } (over { $minutes } min)
summary-for-at-least = zeker nog { $span }
summary-beyond = tot na { $time }
summary-unknown-after = onbekend na { $time }
summary-dry = Droog, de komende { $span }.
summary-dry-partly = Geen regen in zicht, maar een deel van de komende { $span } is onbekend.
summary-dry-until = Droog tot { $time }, daarna onbekend.
two-hours = 2 uur
