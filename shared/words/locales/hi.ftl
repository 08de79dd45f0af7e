light = हल्की बारिश
moderate = मध्यम बारिश
heavy = तेज़ बारिश
violent = बहुत तेज़ बारिश
clock = { $hour }:{ $minute }
rate = { $number } मिमी/घंटा
minutes = { $minutes } मिनट
hours = { $hours } घंटे { $minutes } मिनट
percent = { $number }%
speed = { $number } किमी/घंटा
towards = { $sector ->
    [0] उत्तर
    [1] उत्तर-पूर्व
    [2] पूर्व
    [3] दक्षिण-पूर्व
    [4] दक्षिण
    [5] दक्षिण-पश्चिम
    [6] पश्चिम
   *[7] उत्तर-पश्चिम
}

with-facts = { $headline }: { $facts }।
plain = { $headline }।
coming = { $place } में बारिश आने वाली है
begun = { $place } में बारिश शुरू हो गई है ({ $time } पर देखी गई)
raining = { $place } में बारिश हो रही है ({ $time } पर देखी गई)
intensifying = { $place } में बारिश तेज़ हो रही है
ending = { $place } में बारिश जल्द थमने वाली है
ended = { $place } में बारिश लगभग { $time } बजे थम गई
false-alarm = { $place } के लिए चेतावनी समाप्त: लगभग { $time } बजे अपेक्षित बारिश नहीं आई
heavy-rain = { $place } के पास तेज़ बारिश
heavy-rain-over = { $place } के पास की तेज़ बारिश कमज़ोर पड़ गई या आगे बढ़ गई

starts = लगभग { $time } बजे शुरू
starts-in = लगभग { $time } बजे शुरू ({ $minutes } मिनट में)
window = संभवतः { $from } और { $to } के बीच
rain = { $intensity } ({ $rate })
up-to = { $rate } तक
until = लगभग { $time } बजे तक
until-lasting = लगभग { $time } बजे तक ({ $duration })
ends-about = संभवतः { $time } बजे
chance = संभावना { $percent }
strongest = अधिकतम { $rate }
moving = { $speed } की गति से { $towards } की ओर

hail = ओले गिर सकते हैं; वहाँ रडार का मान सीमित किया गया है।

alt = { $place } के आसपास का चलता रडार नक्शा: { $from } से { $time } तक देखी गई बारिश, फिर { $to } तक का पूर्वानुमान।
alt-still = { $place } के आसपास का रडार नक्शा: { $time } पर देखी गई बारिश।

outlook = { $place }, अगले { $duration }
outlook-dry = बारिश के आसार नहीं
outlook-unknown = अभी पूर्वानुमान उपलब्ध नहीं
outlook-now = अभी बारिश हो रही है, { $rain }
outlook-from = लगभग { $time } बजे से बारिश, { $rain }
digest = { $time } बजे बारिश
digest-place = { $place } ({ $intensity })
digest-more = और { $count } स्थान
score = पिछले { $days } दिनों की हमारी बारिश चेतावनियाँ
score-hits = { $count } सही
score-false = { $count } ग़लत
score-misses = { $count } बार बिना चेतावनी बारिश
score-start = शुरुआत में { $minutes } मिनट का अंतर (माध्यिका)
score-lead = { $minutes } मिनट पहले चेतावनी (माध्यिका)
score-none = न चेतावनी, न बारिश

summary-no-forecast = यहाँ अभी कोई पूर्वानुमान नहीं है।
summary-no-data = यहाँ रडार का कोई डेटा नहीं है।
summary-not-yet = अभी तक कोई पूर्वानुमान नहीं है।
summary-old = डेटा { $minutes } मिनट पुराना है।
summary-now = अभी
summary-expected = { $time } बजे बारिश की संभावना ({ $minutes } मिनट में)
summary-for-at-least = कम से कम अगले { $span }
summary-beyond = { $time } के बाद तक
summary-unknown-after = { $time } के बाद अज्ञात
summary-dry = अगले { $span } सूखा रहेगा।
summary-dry-partly = बारिश के आसार नहीं, पर अगले { $span } का कुछ हिस्सा अज्ञात है।
summary-dry-until = { $time } तक सूखा, उसके बाद अज्ञात।
two-hours = 2 घंटे
