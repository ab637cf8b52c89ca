"""The options of Open vSwitch."""

from oslo_config import cfg

from vif_agent.config.networks import DEVICE

OVS: list[cfg.Opt] = [
    cfg.StrOpt(
        "ovsdb_connection",
        default="unix:/var/run/openvswitch/db.sock",
        regex=r"^(unix:.+|(tcp|ssl):.+:[0-9]{1,5})$",
        help="Connection to ovsdb-server: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT.",
    ),
    cfg.StrOpt("ssl_key_file", help="For ssl:, this host's private key, as a PEM file."),
    cfg.StrOpt("ssl_cert_file", help="For ssl:, the certificate of that key."),
    cfg.StrOpt(
        "ssl_ca_cert_file", help="For ssl:, the certificate of who has signed ovsdb-server's."
    ),
    cfg.FloatOpt(
        "ovsdb_timeout",
        default=10,
        min=0.1,
        help="Seconds to wait for one OVSDB transaction, and for OVS to take a port in.",
    ),
    cfg.StrOpt(
        "integration_bridge",
        default="br-int",
        regex=DEVICE,
        help="Bridge of the ports whose VIF names none (nova's [neutron] ovs_bridge).",
    ),
    cfg.StrOpt(
        "create_tap",
        default="auto",
        choices=[
            ("auto", "when the binding says so (vif_details:ovs_create_tap)"),
            ("always", "for every direct port"),
            ("never", "libvirt makes it"),
        ],
        help="Whether the agent makes the tap of a direct port.",
    ),
    cfg.StrOpt(
        "isolate",
        default="auto",
        choices=[
            ("auto", "when the ML2 driver 'openvswitch' has bound the port"),
            ("always", "every new port"),
            ("never", "no port"),
        ],
        help="Whether a new port starts in the dead VLAN until the Neutron agent has tagged it.",
    ),
    cfg.StrOpt(
        "default_qos_type",
        default="linux-noop",
        choices=[
            "", "linux-htb", "linux-hfsc", "linux-sfq", "linux-codel", "linux-fq_codel",
            "linux-noop",
        ],
        help="QoS type set on new ports, as os-vif's option of this name; empty: none. Ports whose "
        "VIF says datapath 'netdev' have none.",
    ),
    cfg.BoolOpt(
        "per_port_bridge",
        default=False,
        help="Whether a direct port is in an OVS bridge of its own, with patch ports to the "
        "integration bridge, as os-vif's option of this name.",
    ),
]  # fmt: skip
