#!/usr/bin/env bash
# The alert rules and the dashboard hold: promtool checks and tests the rules, then a real Prometheus scrapes a running demo
# until the query of every panel has an answer.
#   tests/monitoring.sh [path of the raincell command]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_prometheus
raincell=$(realpath "${1:-target/debug/raincell}")

"$PROMTOOL" check rules monitoring/prometheus/alerts.yml
"$PROMTOOL" check config --syntax-only monitoring/prometheus/scrape.yml
(cd monitoring/prometheus && "$PROMTOOL" test rules alerts.test.yml)

folder=$(mktemp -d)
trap 'stop_servers; wait; rm -rf "$folder"' EXIT
demo=$(free_port)
"$raincell" demo --port "$demo" --data "$folder/demo" --speed 10 >"$folder/demo.log" 2>&1 &
SERVERS+=($!)
server=$(free_port)
# One process is one target; otherwise what is scraped, and the rules, are those of the repository.
python3 - "$demo" "$PWD" >"$folder/prometheus.yml" <<'PYTHON'
import re, sys
port, root = sys.argv[1:]
text = open("monitoring/prometheus/scrape.yml").read()
text = re.sub(r"      - targets: \[\"127.0.0.1:(?!8080)\d+\"\]\n        labels: .*\n", "", text)
print(text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("15s", "1s"))
print(f"global: {{ evaluation_interval: 1s }}\nrule_files: ['{root}/monitoring/prometheus/alerts.yml']")
PYTHON
"$PROMETHEUS" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" \
    --web.listen-address="127.0.0.1:$server" >"$folder/prometheus.log" 2>&1 &
SERVERS+=($!)
wait_for "http://127.0.0.1:$server/-/ready"

python3 - "http://127.0.0.1:$server" <<'PYTHON' || { tail -n 20 "$folder/demo.log" "$folder/prometheus.log" >&2; exit 1; }
"""Asks Prometheus what the panels ask, as Grafana would, until each query has an answer that is a number."""
import json, math, sys, time, urllib.parse, urllib.request

def get(path, **query):
    url = f"{sys.argv[1]}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]

def answers(expression):
    result = get("query", query=expression.replace("$__rate_interval", "5m"))["result"]
    return any(math.isfinite(float(series["value"][1])) for series in result)

panels = json.load(open("monitoring/grafana/raincell.json"))["panels"]
waiting = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", [])]
queries = len(waiting)
for _ in range(600):
    waiting = [(title, expression) for title, expression in waiting if not answers(expression)]
    if not waiting:
        break
    time.sleep(1)
for title, expression in waiting:
    print(f"no data in panel `{title}`: {expression}", file=sys.stderr)
rules = [rule for group in get("rules")["groups"] for rule in group["rules"]]
for rule in rules:
    if rule["health"] != "ok":
        print(f"rule {rule['name']}: {rule['health']} {rule.get('lastError', '')}", file=sys.stderr)
        waiting.append(rule)
print(f"{queries - len(waiting)} of {queries} queries have data, {len(rules)} rules are evaluated")
sys.exit(1 if waiting else 0)
PYTHON
