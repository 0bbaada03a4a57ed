"""Storage: SQLAlchemy 2, synchronous, in worker threads under a limiter (engines.md says why).

How to use it. `current_state().database` is the one door::

    agent = await database.read(lambda session: queries.agents.find(session, org_id, agent_id))
    run = await database.write(lambda session: start_run(session, ...))

The function runs in a thread, in one transaction that is committed at its return and rolled back
where it raises; a connection is checked out, used and returned inside that one call. `write` takes
SQLite's write lock at its beginning, so that nothing it read has changed when it writes. Return
plain values or mapped objects (they stay readable after the commit, but load nothing more). The
function may run but once: what is uncertain after a lost connection is not repeated. A database
that does not answer raises `UnavailableError` (503 with Retry-After), a broken constraint
`ConflictError` (409); neither shows SQL, parameters or secrets.

The first use opens the database, and makes the tables of an empty SQLite file.

`ids.new_id("run")` makes an id, `tables` has every table. Import both inside functions or under
TYPE_CHECKING on the way of a cold start: SQLAlchemy is imported at the first use, in the thread.
"""
