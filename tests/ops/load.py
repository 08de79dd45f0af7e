"""Asks over HTTPS from four connections until it is told to stop (SIGTERM), then says how it went.

load.py URL… — each connection asks for the URLs by turns, and is kept open as long as the server wants. Every request that
gets no answer, or one that is not 200, is a failure and is named. Prints `requests=N failed=M slowest_ms=S`; exit 1 when M > 0.
"""

import http.client
import signal
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

CONNECTIONS = 4
# A request may wait while a service starts again, but not for ever.
PATIENCE_S = 30

stop = threading.Event()
lock = threading.Lock()
requests, failures, slowest = 0, [], 0.0


def connection(host, port):
    # The certificate is the machine's own.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=context)


def ask(urls):
    global requests, slowest
    first = urlsplit(urls[0])
    server, turn = connection(first.hostname, first.port or 443), 0
    while not stop.is_set():
        url = urlsplit(urls[turn % len(urls)])
        turn += 1
        began, wrong = time.monotonic(), None
        try:
            server.request("GET", url.path + ("?" + url.query if url.query else ""))
            answer = server.getresponse()
            body = answer.read()
            if answer.status != 200:
                wrong = f"{url.path}: {answer.status} {body[:200]!r}"
        except Exception as error:  # whatever it is, somebody got no answer
            wrong = f"{url.path}: {error!r}"
            server.close()
        with lock:
            requests += 1
            slowest = max(slowest, time.monotonic() - began)
            if wrong:
                failures.append(wrong)
        # Together below the rate limit of one address.
        stop.wait(0.1)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [threading.Thread(target=ask, args=(sys.argv[1:],)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.1)
    for failure in failures[:5]:
        print(failure)
    print(f"requests={requests} failed={len(failures)} slowest_ms={slowest * 1000:.0f}")
    return 1 if failures else 0


sys.exit(main())
