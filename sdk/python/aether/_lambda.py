"""HTTP as an event and back: the shapes of AWS Lambda's HTTP API, payload format 2.0."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import parse_qsl, unquote

from ._context import context as aether_context
from ._http import HttpRequest, HttpResponse, headers_of

_months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _is_text(content_type: str) -> bool:
    kind = content_type.split(";", 1)[0].strip().lower()
    return (
        kind.startswith("text/")
        or kind in ("application/json", "application/xml", "application/javascript")
        or kind.endswith(("+json", "+xml"))
    )


def event_of(request: HttpRequest, request_id: str, source_ip: str) -> Dict[str, Any]:
    """The event of a request."""
    raw_path, _, raw_query = request.target.partition("?")
    headers = headers_of([pair for pair in request.headers if pair[0] != "cookie"])
    cookies = [
        cookie.strip()
        for name, value in request.headers
        if name == "cookie"
        for cookie in value.split(";")
        if cookie.strip()
    ]
    now = time.time()
    utc = time.gmtime(now)
    host = headers.get("host", "")
    path = unquote(raw_path)
    function_id = aether_context.function_id
    event: Dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": function_id,
            "domainName": host,
            "domainPrefix": host.split(".", 1)[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.version,
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{utc.tm_mday:02}/{_months[utc.tm_mon - 1]}/{utc.tm_year}:{utc.tm_hour:02}:{utc.tm_min:02}:{utc.tm_sec:02} +0000",
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if raw_query:
        query: Dict[str, str] = {}
        for name, value in parse_qsl(raw_query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        event["queryStringParameters"] = query
    if request.body:
        text = _text_of(request.body) if _is_text(headers.get("content-type", "")) else None
        event["body"] = base64.b64encode(request.body).decode() if text is None else text
        event["isBase64Encoded"] = text is None
    return event


def _text_of(body: bytes) -> Optional[str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def response_of(result: Any) -> HttpResponse:
    """The response that a handler's result means. Raises TypeError or ValueError where it means none."""
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result if isinstance(result, (bytes, str)) else json.dumps(result)
        encoded = body.encode() if isinstance(body, str) else body
        return HttpResponse(200, [("content-type", "application/json")], encoded)
    status = int(result["statusCode"])
    if not 200 <= status <= 599:
        raise ValueError(f"statusCode {status}")
    headers: List[Tuple[str, str]] = []
    for name, value in (result.get("headers") or {}).items():
        headers.append((str(name), _header_text(value)))
    for name, values in (result.get("multiValueHeaders") or {}).items():
        headers.extend((str(name), _header_text(value)) for value in values)
    headers.extend(("set-cookie", str(cookie)) for cookie in result.get("cookies") or [])
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    body = result.get("body")
    if body is None:
        return HttpResponse(status, headers, b"")
    if isinstance(body, (bytes, bytearray)):
        return HttpResponse(status, headers, bytes(body))
    if isinstance(body, str):
        encoded = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
        return HttpResponse(status, headers, encoded)
    if isinstance(body, (dict, list, int, float, bool)):
        return HttpResponse(status, headers, json.dumps(body).encode())
    return HttpResponse(status, headers, (_piece(piece) for piece in body))


def _piece(piece: Any) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def _header_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class LambdaContext:
    """The second argument of a handler, as AWS Lambda has it. What a handler does not ask for costs nothing."""

    __slots__ = ("aws_request_id", "_deadline")
    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, request_id: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self._deadline = deadline

    @property
    def function_name(self) -> str:
        return aether_context.function_id

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    @property
    def memory_limit_in_mb(self) -> str:
        return os.environ.get("AETHER_MEMORY_LIMIT_MB", "")

    @property
    def log_group_name(self) -> str:
        return f"/aether/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return aether_context.instance_id

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time limit of this request."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))
