"""Raw S3 requests: signed here, with the path exactly as given, since client libraries refuse or tidy what an attacker sends."""

import hashlib
import hmac
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

REGION = "us-east-1"
ALGORITHM = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Answer:
    """What the store said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Return the error's code, if it is an error."""
        return self.body.decode("utf-8", "replace").partition("<Code>")[2].partition("</Code>")[0]


@dataclass(frozen=True)
class Request:
    """What is signed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    digest: str
    at: datetime
    service: str = "s3"

    @property
    def scope(self) -> str:
        return f"{self.at:%Y%m%d}/{REGION}/{self.service}/aws4_request"

    @property
    def names(self) -> str:
        return ";".join(sorted(self.headers))

    def signature(self, secret: str) -> str:
        """Return the signature by AWS Signature Version 4."""
        path = quote(unquote_to_bytes(self.path), safe="/~")
        pairs = sorted(part if "=" in part else part + "=" for part in self.query.split("&")) if self.query else []
        lines = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in sorted(self.headers))
        canonical = "\n".join([self.method, path, "&".join(pairs), lines, self.names, self.digest])
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join([ALGORITHM, self.at.strftime(STAMP), self.scope, hashed])
        key = b"AWS4" + secret.encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Caller:
    """Somebody with credentials for a store at host:port; with none, requests are not signed."""

    place: str
    access: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def ask(
        self, method: str, path: str, query: str = "", *, headers: Mapping[str, str] | None = None, body: bytes = b"",
        at: datetime | None = None, service: str = "s3",
    ) -> Answer:  # fmt: skip
        """Send one request. `path` and `query` go out as they are, percent signs and all."""
        sent = {"host": self.place} | {name.lower(): value for name, value in (headers or {}).items()}
        if self.access:
            moment = at or datetime.now(UTC)
            digest = hashlib.sha256(body).hexdigest()
            sent |= {"x-amz-date": moment.strftime(STAMP), "x-amz-content-sha256": digest}
            sent |= {"x-amz-security-token": self.token} if self.token else {}
            request = Request(method, path, query, dict(sent), digest, moment, service)
            credential = f"Credential={self.access}/{request.scope}, SignedHeaders={request.names}"
            sent["authorization"] = f"{ALGORITHM} {credential}, Signature={request.signature(self.secret)}"
        connection = http.client.HTTPConnection(self.place, timeout=30)
        try:
            connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
            line = f"{method} {path}{'?' + query if query else ''} HTTP/1.1"
            connection._buffer[0] = line.encode("latin-1")  # type: ignore[attr-defined]
            for name, value in sent.items():
                connection.putheader(name, value)
            if body or method in {"PUT", "POST"}:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def presigned(self, method: str, path: str, seconds: int) -> str:
        """Return the query that lets anyone do this for `seconds`."""
        moment = datetime.now(UTC)
        request = Request(method, path, "", {"host": self.place}, "UNSIGNED-PAYLOAD", moment)
        fields = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.access}/{request.scope}",
            "X-Amz-Date": moment.strftime(STAMP),
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        } | ({"X-Amz-Security-Token": self.token} if self.token else {})
        query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(fields.items()))
        signed = Request(method, path, query, {"host": self.place}, "UNSIGNED-PAYLOAD", moment)
        return f"{query}&X-Amz-Signature={signed.signature(self.secret)}"
