"""One request and its answer, step by step, in the manner of h11's Connection.

Source: design page "Architecture", The core's two objects.
"""

from collections.abc import Callable
from typing import Final

from portico.core.access import AccessRecord, Outcome
from portico.core.context import NO_CONTEXT, LogContext
from portico.core.cors import CorsDecision, merge
from portico.core.events import (
    ABORT,
    PROCEED,
    Abort,
    Ask,
    Headers,
    Proceed,
    RequestHead,
    Respond,
    ResponseHead,
)
from portico.core.pipeline import Pipeline, Question, Verdict
from portico.core.problem import FAILURE, UNSENDABLE, Refusal
from portico.core.syntax import NO_COLUMNS, find_fault, split
from portico.core.tracing import ENTROPY_BYTES, NO_TRACE
from portico.core.transitions import TRANSITIONS, IllegalStepError, State, Step

__all__ = ["Exchange"]

NO_HEAD: Final = RequestHead("", b"", b"", [])

# Members are slow to look up on their enumeration, and every request needs these.
_IDLE: Final = State.IDLE
_REQUEST: Final = Step.REQUEST
_PROCEED: Final = Step.PROCEED
_RESPONSE: Final = Step.RESPONSE
_FINISH: Final = Step.FINISH
_COMPLETED: Final = Outcome.COMPLETED
_RESPONDING: Final = State.RESPONDING


class Exchange:
    """One request and its answer; `Policy.exchange` makes it.

    Attributes:
        peer: The transport's client address, or None.
        arrived: Monotonic seconds of its beginning; ``first_byte`` of its answer's, or None.
        wall: Unix seconds of its beginning.
        entropy: The random bytes for its ids.
        state: Where it stands; ``head`` is the request.
        client: The client's address behind trusted proxies, or None.
        forwarded: ``ignored`` where an untrusted peer sent proxies' headers, else None.
        scheme: Scheme by which the client came.
        in_flight: Requests that its worker had already when it came.
        fields: Its field lines by column.
        needed: Its field lines among those that the stages read.
        request_id: The client's, or a made one.
        trace: Its place in a trace.
        context: The identifiers that it names.
        principal: Who authenticated, or None; ``scopes`` what that may do.
        extra: Lines that the stages add to whatever answer is given.
        route: Template of the matched route, for the application to set.
        status: Status of the answer, or None before it.
        reason: Stable code of a refusal or failure, or None.
        request_bytes: Bytes of the request's body so far; ``response_bytes`` the answer's.
        content: The whole body of the application's answer, where the shell has it, or None.
        fault: Why the application's answer was replaced by an error, or None.
        substitute: Body to send in place of the application's, or None.
        coding: Content coding in which the shell must send the body, or None.
    """

    __slots__ = (
        "_cors",
        "_host",
        "_next",
        "_outcome",
        "_pipeline",
        "_record",
        "_resume",
        "arrived",
        "client",
        "coding",
        "content",
        "context",
        "entropy",
        "extra",
        "fault",
        "fields",
        "first_byte",
        "forwarded",
        "head",
        "in_flight",
        "needed",
        "peer",
        "principal",
        "reason",
        "request_bytes",
        "request_id",
        "response_bytes",
        "route",
        "scheme",
        "scopes",
        "state",
        "status",
        "substitute",
        "trace",
        "wall",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        peer: str | None,
        now: float,
        wall: float,
        entropy: bytes,
        in_flight: int = 0,
    ) -> None:
        """Begin an exchange; see `Policy.exchange`."""
        if len(entropy) < ENTROPY_BYTES:
            raise ValueError(f"an exchange needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
        self._pipeline = pipeline
        self.peer = self.client = peer
        self.arrived = now
        self.wall = wall
        self.entropy = entropy
        self.in_flight = in_flight
        self.state = _IDLE
        self.head = NO_HEAD
        self.scheme = NO_HEAD.scheme
        self.forwarded: str | None = None
        self._host: bytes | None = None
        self.fields = NO_COLUMNS
        self.needed: Headers = []
        self.request_id = ""
        self.trace = NO_TRACE
        self.context: LogContext = NO_CONTEXT
        self.principal: str | None = None
        self.scopes: frozenset[str] = frozenset()
        self.extra: Headers = []
        self.route: str | None = None
        self.status: int | None = None
        self.reason: str | None = None
        self.request_bytes = 0
        self.response_bytes = 0
        self.fault: str | None = None
        self.substitute: bytes | None = None
        self.coding: str | None = None
        self.content: bytes | None = None
        self._next = 0
        self._resume: Callable[[Exchange, object], Verdict] | None = None
        self._cors: CorsDecision | None = None
        self._outcome: Outcome | None = None
        self.first_byte: float | None = None
        self._record: AccessRecord | None = None

    @property
    def cors(self) -> CorsDecision:
        """The CORS decision, which a refusal before the CORS stage needs too."""
        if self._cors is None:
            self._cors = self._pipeline.cors.decide(self.head)
        return self._cors

    @property
    def host(self) -> bytes:
        """The authority that the client asked for, as sent; empty without one."""
        if self._host is None:
            values = (value for name, value in self.head.headers if name == b"host")
            self._host = next(values, b"")
        return self._host

    @host.setter
    def host(self, value: bytes) -> None:
        self._host = value

    @property
    def wants_content(self) -> bool:
        """Whether `response` wants the whole body with the head, where the application has it."""
        conditional = self._pipeline.conditional
        return conditional is not None and conditional.wants(self.head)

    @property
    def log_context(self) -> dict[str, str]:
        """What each log line of this request carries: its ids, and those that it names."""
        trace = self.trace
        ids = {"trace_id": trace.trace_id, "span_id": trace.span_id}
        return {"request_id": self.request_id, **ids, **self.context}

    def request(self, head: RequestHead) -> Proceed | Respond | Ask:
        """Judge a request's head.

        Args:
            head: As the engine read it.

        Returns:
            `Proceed` to the application, the answer to give instead, or what to find out first.

        Raises:
            IllegalStepError: This exchange has its request already.
        """
        self._step(_REQUEST)
        reads = self._pipeline.reads
        self.head = head
        self.scheme = head.scheme
        self.fields = split(head.headers)
        if not reads.isdisjoint(self.fields[0]):
            self.needed = [line for line in head.headers if line[0] in reads]
        return self._judge()

    def answer(self, result: object) -> Proceed | Respond | Ask:
        """Go on with what the shell found out.

        Args:
            result: The answer to the question of the last `Ask`, as its stage defines it.

        Returns:
            As `request`.

        Raises:
            IllegalStepError: Nothing was asked.
        """
        self._step(Step.ANSWER)
        judge, self._resume = self._resume, None
        verdict = None if judge is None else judge(self, result)
        return self._judge() if verdict is None else self._act(verdict)

    def _judge(self) -> Proceed | Respond | Ask:
        """Pass the stages that are left."""
        stages = self._pipeline.stages
        for at in range(self._next, len(stages)):
            verdict = stages[at].request(self)
            if verdict is not None:
                self._next = at + 1
                return self._act(verdict)
        self._step(_PROCEED)
        return PROCEED

    def _act(self, verdict: Refusal | Respond | Question) -> Respond | Ask:
        if isinstance(verdict, Question):
            self._step(Step.ASK)
            self._resume = verdict.judge
            return Ask(self._pipeline.stages[self._next - 1].name, verdict.question)
        self._step(Step.RESPOND)
        if isinstance(verdict, Refusal):
            return self._refuse(verdict, Outcome.REFUSED)
        refused = verdict.head.status >= 400
        return self._answer(verdict, Outcome.REFUSED if refused else Outcome.COMPLETED)

    def receive_body(self, size: int) -> Proceed | Respond | Abort:
        """Count and judge a piece of the request's body.

        Args:
            size: Its bytes.

        Returns:
            `Proceed`, the answer to give instead of the application's, or `Abort` where that has
            begun.

        Raises:
            IllegalStepError: The application is not being asked.
        """
        self._step(Step.RECEIVE)
        self.request_bytes += size
        for stage in self._pipeline.body_stages:
            refusal = stage.receive(self)
            if refusal is not None:
                return self._stop(refusal)
        return PROCEED

    def _stop(self, refusal: Refusal) -> Respond | Abort:
        """Refuse a request that the application has already."""
        if self.state is State.APPLICATION:
            self._step(Step.RESPOND)
            return self._refuse(refusal, Outcome.REFUSED)
        self.reason = refusal.reason
        self._outcome = Outcome.REFUSED
        return ABORT

    def fail(self, refusal: Refusal = FAILURE) -> Respond:
        """Answer for an application or a store that raised before any answer was begun.

        Args:
            refusal: What the client gets; without it a plain 500.

        Raises:
            IllegalStepError: There is no request, or its answer has begun.
        """
        self._step(Step.RESPOND)
        return self._refuse(refusal, Outcome.ERROR)

    def _refuse(self, refusal: Refusal, outcome: Outcome) -> Respond:
        self.reason = refusal.reason
        head_only = self.head.method == "HEAD"
        answer = refusal.problem.respond(self.request_id, head_only=head_only)
        head = self._pipeline.secure_headers.response(self, answer.head)
        return self._answer(Respond(head, answer.body), outcome)

    def _answer(self, answer: Respond, outcome: Outcome) -> Respond:
        self._outcome = outcome
        self.status = answer.head.status
        self.response_bytes = len(answer.body)
        return Respond(self._seal(answer.head), answer.body)

    def response(
        self, head: ResponseHead, *, now: float | None = None, content: bytes | None = None
    ) -> ResponseHead:
        """Complete the head of the application's answer.

        An answer that HTTP does not allow is replaced by a 500, and `fault` then tells why; one
        that the client has already, by a 304. `substitute` is the body to send in its place.

        Args:
            head: As the application gave it, names in any case.
            now: Monotonic seconds.
            content: The whole body, where `wants_content` and the application gave it at once.

        Returns:
            The head to send.

        Raises:
            IllegalStepError: The application is not being asked.
        """
        fault = find_fault(head)
        self._step(_RESPONSE)
        self.first_byte = now
        if fault is not None:
            return self._replace(fault)
        self.content = content
        for stage in self._pipeline.response_stages:
            head = stage.response(self, head)
        self.content = None
        self.status = head.status
        return self._seal(head)

    def _replace(self, fault: str) -> ResponseHead:
        self.fault = fault
        answer = self._refuse(UNSENDABLE, Outcome.ERROR)
        self.substitute = answer.body
        return answer.head

    def _seal(self, head: ResponseHead) -> ResponseHead:
        """Add what every answer carries: the stages' lines, the CORS headers, the request id."""
        own = [line for line in head.headers if line[0].lower() != b"x-request-id"]
        headers = merge(self.cors, own + self.extra)
        headers.append((b"x-request-id", self.request_id.encode("ascii")))
        return ResponseHead(head.status, headers)

    def send_body(self, size: int) -> None:
        """Count a piece of the application's answer.

        Args:
            size: Its bytes.

        Raises:
            IllegalStepError: No answer of the application's was begun.
        """
        self._step(Step.SEND)
        if self.head.method != "HEAD" and self.substitute is None:
            self.response_bytes += size

    def finish(
        self, *, now: float, outcome: Outcome | None = None, reason: str | None = None
    ) -> AccessRecord:
        """End the exchange. It is legal at any time, and the first call decides.

        Args:
            now: Monotonic seconds.
            outcome: What the shell knows of the end; without it an answer that was begun is
                taken for complete, and a request without any answer for cancelled.
            reason: Stable code for an outcome other than completed.

        Returns:
            The record of this request; the same one each time.
        """
        state = self.state
        self._step(_FINISH)
        if self._record is None:
            ended = _COMPLETED if state is _RESPONDING else Outcome.CANCELLED
            self._record = AccessRecord.of(self, now, outcome or self._outcome or ended, reason)
        return self._record

    def _step(self, step: Step) -> None:
        state = TRANSITIONS.get((self.state, step))
        if state is None:
            raise IllegalStepError(self.state, step)
        self.state = state
