"""The turns of agents: begun, kept alive, cancelled, ended, each in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from portico.server.db.ids import new_id, now
from portico.server.db.tables import Agent, Message, ProviderTrace, Run, RunEvent, Step
from portico.server.models.provider import ChatMessage, Model, ModelError
from portico.server.runs.frames import described, failure
from portico.server.runs.turn import Begun, Ending, Opening, Trace

LEASE: Final = timedelta(seconds=15)
"""How long a run stays its worker's after the last heartbeat."""
LIVE: Final = ("created", "running")
CONTEXT: Final = 50
"""Messages before this turn that a model is shown."""
LEASE_EXPIRED: Final = ModelError(
    "stream_incomplete",
    "The server that carried out this run ended before it did; send the message again.",
)


def begin(session: Session, opening: Opening, default_model: str) -> Begun | None:
    """Store the input, the run and its step; None if there is no such agent."""
    agent = session.scalar(
        select(Agent)
        .where(Agent.id == opening.agent_id, Agent.organization_id == opening.organization_id)
        .with_for_update()
    )
    if agent is None:
        return None
    if opening.is_retry and (joined := find_same(session, opening)):
        return Begun(joined.id, "", "", (), joined.created_at, joined=True)
    at = now()
    run_id = add_run(session, opening, at) if opening.tracked else None
    step = Step(
        id=new_id("step"),
        organization_id=opening.organization_id,
        run_id=run_id,
        agent_id=agent.id,
        model_handle=agent.model or default_model,
        request_id=opening.request_id,
    )
    session.add(step)
    session.flush()
    context = read_context(session, agent)
    for role, content in opening.asked:
        add_message(session, agent, role, content, run_id=run_id, step_id=step.id)
    asked = tuple(ChatMessage("user", content) for _, content in opening.asked)
    return Begun(run_id, step.id, agent.model or default_model, context + asked, at)


def find_same(session: Session, opening: Opening) -> Run | None:
    """Find the run that the same request has started: with a key of its own, over or not."""
    same = select(Run).where(
        Run.organization_id == opening.organization_id, Run.fingerprint == opening.fingerprint
    )
    if not opening.has_key:
        same = same.where(Run.status.in_(LIVE))
    return session.scalar(same.order_by(Run.created_at.desc()).limit(1))


def add_run(session: Session, opening: Opening, at: datetime) -> str:
    """Store a run that this worker carries out."""
    run = Run(
        id=new_id("run"),
        organization_id=opening.organization_id,
        created_by_id=opening.user_id,
        agent_id=opening.agent_id,
        status="running",
        background=opening.background,
        metadata_={"run_type": opening.run_type},
        request_id=opening.request_id,
        fingerprint=opening.fingerprint,
        owner=opening.owner,
        heartbeat_at=at,
        lease_expires_at=at + LEASE,
        created_at=at,
    )
    session.add(run)
    session.flush()
    return run.id


def read_context(session: Session, agent: Agent) -> tuple[ChatMessage, ...]:
    """Give what the agent's model is shown before the new input."""
    stored = session.scalars(
        select(Message)
        .where(
            Message.agent_id == agent.id,
            Message.is_err.is_(False),
            Message.role.in_(("user", "assistant")),
        )
        .order_by(Message.position.desc())
        .limit(CONTEXT)
    ).all()
    before = tuple(
        ChatMessage("assistant" if message.role == "assistant" else "user", text_of(message))
        for message in reversed(stored)
    )
    return ((ChatMessage("system", agent.system),) if agent.system else ()) + before


def text_of(message: Message) -> str:
    """Give the text of *message*."""
    parts = (part for part in message.content if isinstance(part, dict))
    return "".join(str(part.get("text", "")) for part in parts)


def add_message(
    session: Session,
    agent: Agent,
    role: str,
    content: str,
    *,
    run_id: str | None,
    step_id: str,
    id: str | None = None,  # noqa: A002
    otid: str | None = None,
) -> None:
    """Store a message at the end of the agent's."""
    last = session.scalar(select(func.max(Message.position)).where(Message.agent_id == agent.id))
    session.add(
        Message(
            id=id or new_id("message"),
            organization_id=agent.organization_id,
            agent_id=agent.id,
            run_id=run_id,
            step_id=step_id,
            position=(last or 0) + 1,
            role=role,
            content=[{"type": "text", "text": content}],
            otid=otid,
        )
    )
    session.flush()


def end(session: Session, begun: Begun, agent_id: str, ending: Ending, model: Model) -> bool:
    """Store how a turn ended; False if it is over already, and then nothing is stored."""
    run = session.get(Run, begun.run_id, with_for_update=True) if begun.run_id else None
    agent = session.get(Agent, agent_id, with_for_update=True)
    step = session.get(Step, begun.step_id)
    if agent is None or step is None or (begun.run_id and run is None):
        return False
    if run is not None and run.status not in LIVE:
        # An attempt that was stored, but whose answer was lost, is tried again.
        return run.response == ending.response
    if ending.text:
        add_message(
            session,
            agent,
            "assistant",
            ending.text,
            run_id=begun.run_id,
            step_id=begun.step_id,
            id=ending.message_id,
            otid=ending.otid,
        )
    end_step(step, ending, model)
    end_agent(agent, ending)
    if ending.error is not None and not ending.text:
        end_input(session, begun.step_id, kept=ending.keep_input)
    if run is not None:
        end_run(run, ending)
        add_events(session, run.id, ending.events)
    return True


def add_traces(session: Session, traces: Sequence[Trace]) -> None:
    """Store calls of models, but for those whose step is gone."""
    found = session.scalars(select(Step).where(Step.id.in_([trace.step_id for trace in traces])))
    steps = {step.id: step for step in found}
    session.add_all(
        ProviderTrace(
            id=new_id("provider_trace"),
            organization_id=steps[trace.step_id].organization_id,
            step_id=trace.step_id,
            run_id=steps[trace.step_id].run_id,
            agent_id=steps[trace.step_id].agent_id,
            request_json=trace.request,
            response_json=trace.response,
        )
        for trace in traces
        if trace.step_id in steps
    )


def end_step(step: Step, ending: Ending, model: Model) -> None:
    """Fill in what a step came to."""
    step.status = "success" if ending.status == "completed" else ending.status
    step.stop_reason = ending.stop_reason if ending.with_reason else None
    step.provider_name, step.model = model.provider, model.name
    step.model_endpoint, step.context_window_limit = model.endpoint, model.window
    step.prompt_tokens, step.completion_tokens = ending.usage
    step.total_tokens = sum(ending.usage)
    step.error_data = ending.error
    step.error_type = ending.error["error_type"] if ending.error else None


def end_agent(agent: Agent, ending: Ending) -> None:
    """Tell the agent of its last turn."""
    if ending.with_reason:
        agent.last_stop_reason = ending.stop_reason
    if ending.with_last_run:
        agent.last_run_completion = now()
        agent.last_run_duration_ms = ending.duration_ns // 1_000_000


def end_input(session: Session, step_id: str, *, kept: bool) -> None:
    """Mark the input of a step that failed before any output, or forget it."""
    for message in session.scalars(select(Message).where(Message.step_id == step_id)):
        if kept:
            message.is_err = True
        else:
            session.delete(message)


def end_run(run: Run, ending: Ending) -> None:
    """Fill in what a run came to."""
    # Who asked for the end was told that it is cancelled, even if it went on to its end.
    cancelled = run.cancel_requested_at is not None and ending.status == "completed"
    run.status = "cancelled" if cancelled else ending.status
    reason = "cancelled" if cancelled else ending.stop_reason
    run.stop_reason = reason if ending.with_reason else None
    run.completed_at = now()
    run.lease_expires_at = None
    run.ttft_ns, run.total_duration_ns = ending.ttft_ns, ending.duration_ns
    run.response, run.error = ending.response, ending.error
    if ending.error is not None:
        run.metadata_ = {**(run.metadata_ or {}), "error": ending.error}


def add_events(session: Session, run_id: str, events: Sequence[tuple[int, str]]) -> None:
    """Store events of a run's stream."""
    if events:
        rows = [{"run_id": run_id, "seq": seq, "payload": text} for seq, text in events]
        session.execute(insert(RunEvent), rows)


def keep_alive(session: Session, news: Mapping[str, Sequence[tuple[int, str]]]) -> set[str]:
    """Renew the leases of runs and store the *news* of each.

    Returns:
        Those that are to be cancelled, are over, or are gone with their agent.
    """
    at = now()
    renewed = session.execute(
        update(Run)
        .where(Run.id.in_(news), Run.status.in_(LIVE))
        .values(heartbeat_at=at, lease_expires_at=at + LEASE)
        .returning(Run.id, Run.cancel_requested_at)
    ).all()
    for run_id, _ in renewed:
        add_events(session, run_id, news[run_id])
    return set(news) - {run_id for run_id, cancelled in renewed if cancelled is None}


def request_cancel(
    session: Session, organization_id: str, agent_id: str, run_ids: Collection[str] | None
) -> set[str]:
    """Ask for the end of an agent's live runs; give those that were live."""
    live = select(Run).where(
        Run.organization_id == organization_id, Run.agent_id == agent_id, Run.status.in_(LIVE)
    )
    if run_ids is not None:
        live = live.where(Run.id.in_(run_ids))
    found = session.scalars(live).all()
    for run in found:
        run.cancel_requested_at = run.cancel_requested_at or now()
    return {run.id for run in found}


def fail_abandoned(session: Session) -> int:
    """Fail the runs whose worker has died; their input stays, and no half message is stored."""
    at = now()
    abandoned = session.scalars(
        select(Run)
        .where(Run.status.in_(LIVE), Run.lease_expires_at < at)
        .with_for_update(skip_locked=True)
    ).all()
    for run in abandoned:
        end_stream(session, run)
        run.status, run.stop_reason = "failed", "error"
        run.completed_at, run.error = at, described(LEASE_EXPIRED)
        run.metadata_ = {**(run.metadata_ or {}), "error": run.error}
    steps = update(Step).where(
        Step.run_id.in_([run.id for run in abandoned]), Step.status == "pending"
    )
    session.execute(steps.values(status="failed", error_type=LEASE_EXPIRED.error_type))
    return len(abandoned)


def end_stream(session: Session, run: Run) -> None:
    """Store the last events of a stream whose worker has died, for those who read on."""
    last = session.scalar(select(func.max(RunEvent.seq)).where(RunEvent.run_id == run.id)) or 0
    frames = failure(LEASE_EXPIRED, "error", run.id, last + 2 if run.background else None)
    events = [(last + number, made.decode()) for number, made in enumerate(frames, 1)]
    add_events(session, run.id, events)


def read_events(session: Session, run_id: str, after: int, most: int = 500) -> list[RunEvent]:
    """Give stored events after the number *after*, in order."""
    wanted = select(RunEvent).where(RunEvent.run_id == run_id, RunEvent.seq > after)
    return list(session.scalars(wanted.order_by(RunEvent.seq).limit(most)))


def find_run(session: Session, organization_id: str, run_id: str) -> Run | None:
    """Find a run."""
    return session.scalar(
        select(Run).where(Run.id == run_id, Run.organization_id == organization_id)
    )
