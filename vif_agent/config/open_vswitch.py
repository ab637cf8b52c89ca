"""The options of Open vSwitch."""

from oslo_config import cfg

from vif_agent.config.networks import DEVICE

OVS: list[cfg.Opt] = [
    cfg.StrOpt(
        "ovsdb_connection",
        default="unix:/var/run/openvswitch/db.sock",
        regex=r"^(unix:.+|(tcp|ssl):.+:[0-9]{1,5})$",
        help="Connection to ovsdb-server: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT. The agent's "
        "user must be able to open the socket; ssl: needs ssl_key_file, ssl_cert_file and "
        "ssl_ca_cert_file.",
    ),
    cfg.StrOpt(
        "ssl_key_file",
        help="For ssl:, this host's private key, as a PEM file that the agent's user can read. "
        "When it or a certificate is renewed in its file, the next connection uses the new one.",
    ),
    cfg.StrOpt("ssl_cert_file", help="For ssl:, the certificate of that key, as a PEM file."),
    cfg.StrOpt(
        "ssl_ca_cert_file",
        help="For ssl:, the certificate of who has signed ovsdb-server's, as a PEM file.",
    ),
    cfg.FloatOpt(
        "ovsdb_timeout",
        default=10,
        min=0.1,
        help="Seconds to wait for one OVSDB transaction, and for ovs-vswitchd to take a port in "
        "(to give it an ofport); then the port is retrying.",
    ),
    cfg.StrOpt(
        "integration_bridge",
        default="br-int",
        regex=DEVICE,
        metavar="BRIDGE",
        help="Bridge of the ports whose VIF names none (nova's [neutron] ovs_bridge). Where it is "
        "not there the agent makes it, with fail_mode=secure.",
    ),
    cfg.StrOpt(
        "create_tap",
        default="auto",
        choices=[
            ("auto", "when the binding says so (vif_details:ovs_create_tap)"),
            ("always", "for every direct port"),
            ("never", "libvirt makes it"),
        ],
        help="Whether the agent makes the tap of a direct port. libvirt refuses a tap that is "
        "there, unless nova tells it not to make one, as it does with 'auto': docs/nova.md.",
    ),
    cfg.StrOpt(
        "isolate",
        default="auto",
        choices=[
            ("auto", "when the ML2 driver 'openvswitch' has bound the port"),
            ("always", "every new port"),
            ("never", "no port"),
        ],
        help="Whether a new port starts in the dead VLAN, 4095, until the Neutron agent has tagged "
        "it. Ports from nova do not say who has bound them: there say 'always' with ML2/OVS, "
        "'never' with OVN, which tags nothing.",
    ),
    cfg.StrOpt(
        "default_qos_type",
        default="linux-noop",
        choices=[
            "", "linux-htb", "linux-hfsc", "linux-sfq", "linux-codel", "linux-fq_codel",
            "linux-noop",
        ],
        help="Type of the QoS row of new ports, as os-vif's option of this name; empty: no such "
        "row. Ports whose VIF says datapath 'netdev' have none.",
    ),
    cfg.BoolOpt(
        "per_port_bridge",
        default=False,
        help="Whether a direct port is in an OVS bridge of its own, with patch ports to the "
        "integration bridge, as os-vif's option of this name. After a change and a restart, ports "
        "move; their taps stay the same devices.",
    ),
]  # fmt: skip
