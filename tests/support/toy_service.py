"""Program for tests of the supervisor: ready, unready, crash, misconfigured or stubborn, by its argument."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if sys.argv[1] == "unready" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def main() -> int:
    behaviour = sys.argv[1]
    print(f"toy service: {behaviour}", flush=True)
    if behaviour == "crash":
        return 1
    if behaviour == "misconfigured":
        print("SECRET_KEY: must be 32 bytes in base64", file=sys.stderr)
        return 78
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else lambda *_: sys.exit(0))
    HTTPServer(("127.0.0.1", int(os.environ["HEALTH_PORT"])), Health).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
