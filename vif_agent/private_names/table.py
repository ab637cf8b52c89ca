"""All that is used of libraries without a promise of theirs, by library."""

from collections.abc import Mapping, Sequence

from vif_agent.private_names.looks import Keeps, Look, Says, Takes, There

_AMQP = "oslo_messaging._drivers.amqpdriver"
_RABBIT = "oslo_messaging._drivers.impl_rabbit"
_CONNECTION = f"{_RABBIT}:Connection"

_OSLO_MESSAGING: Sequence[Look] = (
    Keeps("oslo_messaging.transport:Transport", "_driver"),
    Keeps(f"{_AMQP}:AMQPDriverBase", "_default_exchange _connection_pool"),
    Keeps("oslo_messaging._drivers.pool:ConnectionPool", "connection_cls"),
    Takes("oslo_messaging._drivers.pool:ConnectionPool.get", "self retry"),
    Takes(f"{_CONNECTION}._fetch_ssl_params", "self"),
    Takes(f"{_CONNECTION}._ensure_publishing", "self method exchange msg"),
    Takes(f"{_AMQP}:AMQPDriverBase._get_connection", "self purpose retry"),
    There("oslo_messaging._drivers.common:PURPOSE_LISTEN"),
    There("oslo_messaging._drivers.common:PURPOSE_SEND"),
    Takes("oslo_messaging._drivers.common:serialize_msg", "raw_msg"),
    Keeps("oslo_messaging._drivers.common:ConnectionContext", "connection"),
    Keeps(
        _CONNECTION,
        "connection channel durable amqp_auto_delete rabbit_ha_queues enable_cancel_on_failover"
        " rabbit_quorum_queue rabbit_quorum_queue_config"
        " _connection_lock _consumers _active_tags _new_tags rabbit_qos_prefetch_count"
        " _producer kombu_compression",
    ),
    There(f"{_RABBIT}:QuorumMemConfig.delivery_limit"),
    Takes(f"{_CONNECTION}._set_current_channel", "self new_channel"),
    Takes(
        f"{_CONNECTION}.topic_send",
        "self exchange_name topic msg timeout retry transport_options",
    ),
    Takes(f"{_CONNECTION}.declare_consumer", "self consumer"),
    Takes(f"{_CONNECTION}.declare_direct_consumer", "self topic callback"),
    Takes(f"{_CONNECTION}.declare_fanout_consumer", "self topic callback"),
    Takes(f"{_CONNECTION}.consume", "self timeout"),
    There("oslo_messaging._drivers.common:Timeout"),
    Takes(f"{_CONNECTION}.stop_consuming", "self"),
    Says(f"{_CONNECTION}.ensure_connection", "Connection failed: %s (retrying in "),
    Takes(
        f"{_RABBIT}:Consumer",
        "exchange_name queue_name routing_key type durable exchange_auto_delete queue_auto_delete"
        " callback nowait rabbit_ha_queues rabbit_queue_ttl enable_cancel_on_failover"
        " rabbit_quorum_queue rabbit_quorum_queue_config",
    ),
    Keeps(
        f"{_RABBIT}:Consumer",
        "exchange exchange_name queue queue_name durable queue_auto_delete queue_arguments",
    ),
    Takes(f"{_RABBIT}:Consumer.declare", "self conn"),
    Takes(f"{_RABBIT}:Consumer._declare_fallback_nondurable", "self err"),
    Keeps(f"{_RABBIT}:RabbitMessage", "_raw_message"),
    Takes("oslo_messaging._drivers.amqp:_MsgIdCache.add", "self msg_id"),
    Keeps(
        f"{_AMQP}:AMQPIncomingMessage",
        "listener message unique_id reply_q client_timeout orig_msg_id _message_operations_handler",
    ),
    Takes(f"{_AMQP}:AMQPIncomingMessage.reply", "self reply failure"),
    Takes(f"{_AMQP}:AMQPIncomingMessage.heartbeat", "self"),
    Takes(f"{_AMQP}:MessageOperationsHandler.do", "self task"),
    Takes(f"{_AMQP}:NotificationAMQPListener", "driver conn"),
    Takes(f"{_AMQP}:RpcAMQPListener", "driver conn"),
    Keeps(
        f"{_AMQP}:AMQPListener",
        "conn incoming msg_id_cache _shutdown _message_operations_handler _current_timeout",
    ),
    Takes(f"{_AMQP}:NotificationAMQPListener.__call__", "self message"),
    Takes(
        "oslo_messaging._drivers.base:PollStyleListenerAdapter",
        "poll_style_listener batch_size batch_timeout",
    ),
    Keeps(
        "oslo_messaging._drivers.base:PollStyleListenerAdapter",
        "_poll_style_listener _listen_thread",
    ),
    Takes("oslo_messaging.server:MessageHandlingServer.__init__", "self transport dispatcher"),
    Takes("oslo_messaging.server:MessageHandlingServer._create_listener", "self"),
    Takes("oslo_messaging.server:MessageHandlingServer._on_incoming", "self incoming"),
    Takes("oslo_messaging.server:MessageHandlingServer._process_incoming", "self incoming"),
    Keeps("oslo_messaging.rpc.server:RPCServer", "_target _executor_cls executor_type"),
)

AGENT: Mapping[str, Sequence[Look]] = {
    "oslo.messaging": _OSLO_MESSAGING,
    "amqp": (
        Takes("amqp.abstract_channel:AbstractChannel.send_method", "self sig format args content"),
        Keeps("amqp.transport:TCPTransport", "_quick_recv _read_buffer _write"),
        Keeps("amqp.transport:SSLTransport", "_quick_recv _read_buffer _write"),
        Takes("amqp.transport:TCPTransport.read_frame", "self"),
        Takes("amqp.transport:TCPTransport.write", "self s"),
        Keeps("amqp.channel:Channel", "basic_publish events connection"),
        Keeps("amqp.connection:Connection", "on_inbound_frame transport server_properties"),
    ),
    "oslo.log": (
        There("oslo_log.handlers:journal"),
        Keeps("oslo_log.handlers:OSJournalHandler", "custom_fields"),
    ),
    "oslo.config": (Keeps("oslo_config.cfg:ConfigOpts", "_mutable_ns _ConfigOpts__cache"),),
    "oslo.privsep": (
        Keeps("oslo_privsep.priv_context:PrivContext", "client_mode channel"),
        Keeps("oslo_privsep.comm:ClientChannel", "running reader_thread lock outstanding_msgs"),
        Takes("oslo_privsep.comm:Future.set_exception", "self exc"),
    ),
    "ovs": (
        Takes("ovs.stream:SSLStream._open", "suffix dscp"),
        Takes("ovs.stream:SSLStream._recv", "self n"),
        Takes("ovs.stream:SSLStream._send", "self buf"),
        Keeps("ovs.stream:Stream", "socket name state"),
        Takes("ovs.stream:Stream.register_method", "method cls"),
        Takes("ovs.jsonrpc:Connection", "stream"),
        Keeps("ovs.jsonrpc:Connection", "status input output received_bytes stream error run wait"),
        Takes("ovs.jsonrpc:Session", "reconnect rpc remotes"),
        Keeps("ovs.jsonrpc:Session", "rpc stream remotes reconnect seqno pick_remote"),
        Takes("ovs.reconnect:Reconnect.disconnected", "self now error"),
    ),
}

#: in nova-compute's process
NOVA: Mapping[str, Sequence[Look]] = {
    "os-vif": (There("os_vif:_EXT_MANAGER"),),
    "stevedore": (
        Keeps("stevedore.extension:ExtensionManager", "extensions _extensions_by_name_cache"),
        Takes("stevedore.extension:Extension", "name entry_point plugin obj"),
        There("stevedore.extension:Extension.entry_point_target"),
    ),
}
