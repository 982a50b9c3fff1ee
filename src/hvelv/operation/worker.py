"""The workflow worker: tells Prefect what it can run, runs it, and starts the jobs on the custodian's list."""

import os
import threading

from hvelv.kernel.clock import SystemClock
from hvelv.kernel.settings import Settings

MOST_RUNS = 2
POLL_SECONDS = 2


def serve(settings: Settings) -> None:
    """Run until asked to stop. The environment says where Prefect's server is (hvelv.operation.prefect_server)."""
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", str(POLL_SECONDS))
    from prefect import serve as serve_flows
    from prefect.deployments.runner import RunnerDeployment
    from prefect.types.entrypoint import EntrypointType

    from hvelv.workflows.desk import opened
    from hvelv.workflows.dispatch import Dispatcher, PrefectStarter, run
    from hvelv.workflows.provision import provision
    from hvelv.workflows.releasing import release

    note = settings.domain_dir("custodian") / "worker.ready"
    stopping = threading.Event()
    deployments = []
    for flow in (provision, release):
        deployment = flow.to_deployment(name=flow.name, entrypoint_type=EntrypointType.MODULE_PATH)
        if not isinstance(deployment, RunnerDeployment):
            raise TypeError("a deployment is made at once outside an event loop")
        deployment.apply()
        deployments.append(deployment)
    with opened(settings) as desk:
        dispatcher = Dispatcher(desk.jobs, PrefectStarter(), SystemClock())
        thread = threading.Thread(
            target=run, args=(dispatcher, stopping), kwargs={"ready": lambda: note.write_text("ready\n")}, daemon=True
        )
        thread.start()
        try:
            serve_flows(*deployments, pause_on_shutdown=False, print_starting_message=False, limit=MOST_RUNS)
        finally:
            stopping.set()
            thread.join(timeout=2)
