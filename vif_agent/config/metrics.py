"""The options of what monitoring may see."""

from oslo_config import cfg

from vif_agent.config.option_types import ListenAddress

METRICS: list[cfg.Opt] = [
    cfg.Opt(
        "listen",
        type=ListenAddress(),
        metavar="IP:PORT",
        sample_default="127.0.0.1:9479",
        help="Where Prometheus may read the agent's metrics, by HTTP, under /metrics; an IPv6 "
        "address in brackets, [::]:9479 for all. Nowhere, if it is not set. The agent also starts "
        "where it cannot have the address (it is another program's, or not there yet): it says so "
        "in the log and tries again. docs/metrics.md lists what there is.",
    ),
    cfg.StrOpt(
        "ssl_cert_file",
        help="With [metrics] listen, a certificate as a PEM file: then HTTPS. It is read anew for "
        "each client, so it may be renewed at any time.",
    ),
    cfg.StrOpt("ssl_key_file", help="The private key of that certificate."),
    cfg.StrOpt(
        "ssl_ca_cert_file",
        help="The certificate of who has signed those of the clients: others are refused. Not set: "
        "no client needs one.",
    ),
    cfg.StrOpt(
        "textfile",
        regex=r"^/.+\.prom$",
        metavar="PATH",
        sample_default="/var/lib/prometheus/node-exporter/vif-agent.prom",
        help="A file into which the same is written every 15 seconds, for the textfile collector "
        "of Prometheus' node_exporter, where no port may be opened.",
    ),
]
