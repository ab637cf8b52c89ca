"""A real Neutron on a scratch host, unmodified: how to use it.

``scripts/neutron`` makes what it needs, ``.venv-neutron-29`` and ``.mariadb``;
``scripts/test-neutron`` runs the tests in ``tests/neutron_server``. To use others, for a while:
``VIF_AGENT_NEUTRON`` names the venv, ``VIF_AGENT_MARIADB`` the directory. In a fresh network
namespace (``isolate_process()``, or the fixture ``isolated``), as root:

    with Cloud(controllers=2) as cloud, cloud.hypervisor("one") as one:
        network = cloud.network(kind="vxlan")              # with a subnet
        port = cloud.port(network, "one")                  # POST, bound to the host "one"
        with one.guest(port) as end:                       # libvirt's tap, as the guest has it
            cloud.api.wait("port", port["id"], lambda it: it["status"] == "ACTIVE")
            cloud.nova.wait(port["id"], "network-vif-plugged")
        agree(cloud, one)                                  # Neutron, agents and kernels

What runs: a RabbitMQ and a MariaDB of the cloud's own, for each controller the API by uWSGI (one
process of 8 threads; ``api_processes``), neutron-rpc-server with 2 workers and one for reports,
and neutron-periodic-workers; a stand-in of nova's API, ``cloud.nova.events``. It takes about 20
seconds to start and a GB. All of it is in the scratch directory, and ends with this process, also
where that is killed. "noauth": everybody is an administrator. ``VIF_AGENT_KEEP=1`` keeps the
directory, with all logs: controller1/{api,rpc,periodic}.log.

- ``Cloud(options={group: {option: value}})``: neutron.conf and ml2_conf.ini, one file here, are in
  ``configuration``. Agents report every 2 seconds and are down after 6.
- ``cloud.hypervisor(name, options)``: a network namespace with ``eth0`` (to the broker, and for
  tunnels; ``address``), ``eth1`` (physnet1), a private Open vSwitch and the real agent with
  ``[neutron] enabled``. ``one.entered()``: this thread is there; ``one.ip("link")``,
  ``one.links()``; ``one.agent`` is a ``testing.daemon.Daemon``: ``kill()``, ``log()``;
  ``one.start_agent()``.
- ``cloud.controllers[0].kill("rpc")``, ``.stop("api")``, ``.launch("rpc")``, ``.log("rpc")``;
  ``cloud.wait_workers(n)``. ``cloud.rabbit``, ``cloud.database``: ``stop``, ``kill``, ``start``,
  ``frozen()``.
- ``cloud.api``: Neutron's REST API; ``cloud.agents``: a ``VifAgentAPI``, ``list_vifs({}, "one")``;
  ``cloud.sql("SELECT …")``: Neutron's database; ``cloud.run(program)``: one of its programs, such
  as ``neutron-db-manage``, with the configuration; ``cloud.python(code)``.
- ``cloud.controllers[0].argv("neutron-sriov-nic-agent")`` and ``.environment()``: for
  ``processes.start()``, within ``one.entered()``, after files of one's own with
  ``--config-file``.
- ``services.Services(cloud, one)``: Neutron's DHCP, L3 and metadata agents on a host;
  ``guest.Guest(one, port)``: a guest with a network stack, ``lease()``, ``reaches(address)``.
"""
