"""Settings: from the environment (`HVELV_*`), else from a TOML file (`HVELV_CONFIG`), else the defaults below.

docs/settings.md is generated from the descriptions here.
"""

import os
from functools import cached_property
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

LONGEST_RUN_DIR = 60  # a unix socket's whole path may have 107 bytes; the rest is ours


class Settings(BaseSettings):
    """Everything an installation can set."""

    model_config = SettingsConfigDict(env_prefix="HVELV_", extra="forbid", frozen=True)

    data_dir: Path = Field(Path("var/hvelv"), description="The one folder that holds all of an installation's data.")
    host: str = Field("127.0.0.1", description="The address that portal and lab listen on. Loopback by default.")
    public_host: str = Field(
        "localhost",
        description="The host name people type. Portal and lab share it on two ports, so that they are one site and two origins.",
    )
    portal_port: int = Field(8010, description="Port of the portal.")
    hub_port: int = Field(8000, description="Port of the hub's proxy, where sign-in and JupyterLab are.")
    hub_api_port: int = Field(8081, description="Port of the hub's own API, loopback only.")
    proxy_api_port: int = Field(8001, description="Port of the proxy's control API, loopback only.")
    gateway_port: int = Field(9100, description="Port of the session gateway, loopback only.")
    prefect_port: int = Field(4200, description="Port of the workflow server, loopback only.")
    store_port: int = Field(8333, description="Port of the embedded object store's S3 API, loopback only.")
    store_internal_port: int = Field(
        18900,
        description="First of a run of twelve loopback ports that the embedded store uses inside; the same plus 10000 for gRPC.",
    )
    store_endpoint: str = Field("", description="host:port of an S3 service to use instead of the embedded one.")
    store_secure: bool = Field(False, description="Whether `store_endpoint` is reached by HTTPS.")
    store_access_key: str = Field("", description="Access key for `store_endpoint`; the embedded store makes its own.")
    store_secret_key: str = Field("", description="Secret key for `store_endpoint`.", repr=False)
    store_role: str = Field(
        "",
        description="ARN of the role that the custodian takes on at `store_endpoint` to make short-lived credentials for a project's room; empty: none are made. The embedded store has its own.",
    )
    registry_database: str = Field(
        "", description="URL of the registry's database; empty is SQLite in the data folder.", repr=False
    )
    custodian_database: str = Field(
        "", description="URL of the custodian's database; empty is SQLite in the data folder.", repr=False
    )
    key_copies: tuple[Path, ...] = Field(
        (),
        description="Folders that hold a copy of the sealed keyring, as a JSON list. The custodian keeps them current, and rewrites them when a project's key is destroyed. Make no other copies.",
    )
    vault_address: str = Field(
        "",
        description="URL of a HashiCorp Vault or OpenBao server whose transit engine holds the keys instead of the keyring; empty is the keyring.",
    )
    vault_mount: str = Field("transit", description="Where the transit engine is mounted.")
    vault_token_file: Path | None = Field(
        None, description="File with the token for the server; empty is `vault_token` in the custodian's secrets."
    )
    vault_ca_file: Path | None = Field(
        None, description="Certificates that the server's is checked against; empty is the machine's own."
    )
    session_environment: Path = Field(
        Path("build/session-env"), description="The Python environment that sessions see, made by `make session-env`."
    )
    node_prefix: Path = Field(Path("build/node"), description="Where configurable-http-proxy is installed.")
    session_memory: str = Field("2G", description="Memory limit of one session.")
    session_cpus: float = Field(1.0, description="Processor limit of one session, in cores.")
    session_processes: int = Field(512, description="Most processes and threads in one session.")
    session_answer_limit: str = Field(
        "64M",
        description="Most that one answer of a session may carry to the browser; a larger file is read in a notebook instead.",
    )
    session_message_limit: str = Field(
        "32M",
        description="Most that one websocket message may carry; in place of a larger one the cell shows a sentence.",
    )
    session_hour_limit: str = Field(
        "256M",
        description="Viewed in one session in an hour before it counts as unusual: people in charge are told, and what follows in that hour comes slowly.",
    )
    session_disk: str = Field(
        "10G",
        description="Most that one workspace may hold, as a disk of its own where the platform runs as root; a larger value takes effect when the session is opened anew, a smaller one for new workspaces. 0: no limit.",
    )
    session_files: int = Field(
        200_000, ge=1000, description="Most files and folders in one workspace. Set when a workspace is made."
    )
    session_idle: int = Field(
        240,
        ge=0,
        description="Minutes without use after which a session is closed; what is saved in it stays. What counts as use: docs/lab.md. 0: never.",
    )
    session_idle_warning: int = Field(
        15,
        ge=1,
        description="Minutes before that in which its person is warned and may keep it open; at most half of the whole time.",
    )
    session_uid_base: int = Field(
        200_000, description="First user id given to sessions when the platform runs as root."
    )
    separate_users: bool = Field(
        True,
        description="When started as root, give each trust domain its own user id. Without root all share one; `hvelv doctor` says what that loses.",
    )
    domain_uid_base: int = Field(
        190_000, description="First of ten user ids for the trust domains, when started as root."
    )
    quorum: int = Field(3, ge=1, description="Votes that an ethics committee needs for a decision.")
    decision_due_days: int = Field(90, description="Days from a complete submission until a decision is due.")
    data_due_days: int = Field(60, description="Days from the permit until data are due.")
    upload_limit: int = Field(4 << 30, description="Largest file a steward may upload, in bytes.")
    account_rho: float = Field(
        2.0, description="Privacy budget (zCDP rho) of a dataset's account when the steward sets none."
    )
    release_slot_seconds: float = Field(
        0.5, ge=0, description="Answers are given at the ends of slots that double from this; 0 answers at once."
    )
    account_delta: float = Field(1e-6, description="The delta at which privacy loss is shown to people as epsilon.")
    account_own_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Share of a new dataset's account that is set aside for the platform's own answers (catalogue profiles, feasibility counts, twins, indicators). A tenth leaves nine tenths to projects; permits cannot take it.",
    )
    topup_authority: str = Field(
        "",
        description="Data holder whose stewards may confirm a larger account of any holder, beside that holder's other stewards. For holders with one steward. Empty: nobody.",
    )
    extract_tables: int = Field(
        2, ge=1, description="Tables of one permit that are extracted at once. Each takes up to a gigabyte of memory."
    )
    dask_scheduler: str = Field(
        "",
        description="Address of a Dask scheduler whose workers make extracts (tls://HOST:PORT), in the custodian's trust domain and with its data folder; empty makes them in the worker process.",
    )
    dask_ca_file: str = Field("", description="Certificates that the Dask cluster's are checked against.")
    dask_certificate: str = Field("", description="File with the certificate shown to the Dask cluster.")
    dask_key: str = Field("", description="File with the key of that certificate.")
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days after a permit's end for which its project's key and sealed extracts are kept, as written in each new permit. 0 destroys both at once.",
    )
    risk_min_k: int = Field(
        5, ge=1, description="Fewest persons that may be alike in all that an outsider can know, in an extract."
    )
    risk_max_small: float = Field(
        0.05, ge=0, le=1, description="Largest share of an extract's persons who may be in a group smaller than that."
    )
    risk_max_average: float = Field(
        0.1, ge=0, le=1, description="Highest mean chance of finding a person whom one knows to be in the extract."
    )
    risk_max_highest: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Highest chance of finding any one person; above it a person counts as being at high risk.",
    )
    risk_min_l: int = Field(2, ge=1, description="Fewest values of a sensitive variable in a group of like persons.")
    risk_max_t: float = Field(
        0.5, ge=0, le=1, description="Farthest that a group may be from the whole in a sensitive variable, 0 to 1."
    )
    risk_hold: bool = Field(
        False,
        description="Whether an extract over a limit waits for the steward also where the permit does not ask for it.",
    )
    optout_days: int = Field(
        30,
        ge=0,
        description="Days after which extracts made before somebody objected are made again, and the earlier ones withdrawn. 0: in the next round.",
    )
    link_seconds: int = Field(300, description="Seconds that a download link for a bundle lives.")
    locale: str = Field("nb", description="Language for those who have not chosen one: nb or en.")

    @classmethod
    def settings_customise_sources(  # the names are pydantic's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file; no .env files."""
        sources = [init_settings, env_settings]
        if path := os.environ.get("HVELV_CONFIG"):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=Path(path)))
        return tuple(sources)

    @model_validator(mode="after")
    def _run_dir_fits(self) -> "Settings":
        if len(str(self.run_dir)) > LONGEST_RUN_DIR:
            raise ValueError(
                f"the data folder's path is too long for the sockets below it: {len(str(self.run_dir))} characters, "
                f"at most {LONGEST_RUN_DIR}. Set HVELV_DATA_DIR to a shorter one."
            )
        return self

    @cached_property
    def root(self) -> Path:
        """Return the data folder as an absolute path."""
        return self.data_dir.absolute()

    @property
    def run_dir(self) -> Path:
        """Return where sockets and process state lie."""
        return self.root / "run"

    def domain_dir(self, domain: str) -> Path:
        """Return the folder that only `domain`'s processes can read: portal, hub, gateway, custodian, store, prefect."""
        return self.root / domain

    def secrets_dir(self, domain: str) -> Path:
        """Return the folder of `domain`'s secrets."""
        return self.root / domain / "secrets"

    @property
    def registry_url(self) -> str:
        """Return the registry's database URL."""
        return self.registry_database or f"sqlite:///{self.domain_dir('portal') / 'registry.sqlite'}"

    @property
    def custodian_url(self) -> str:
        """Return the custodian's database URL."""
        return self.custodian_database or f"sqlite:///{self.domain_dir('custodian') / 'custodian.sqlite'}"

    def custodian_socket(self, door: str) -> Path:
        """Return the socket of one of the custodian's doors: `portal` or `enclave`."""
        return self.run_dir / f"custodian-{door}" / "sock"

    @property
    def public_key(self) -> Path:
        """Return the file with the custodian's public key, readable by all domains."""
        return self.run_dir / "custodian.pub"

    @property
    def portal_url(self) -> str:
        """Return the portal's origin as people see it."""
        return f"http://{self.public_host}:{self.portal_port}"

    @property
    def hub_url(self) -> str:
        """Return the lab's origin as people see it."""
        return f"http://{self.public_host}:{self.hub_port}"
