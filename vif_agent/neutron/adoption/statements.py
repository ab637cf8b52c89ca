"""What is asked of Neutron's database and changed in it, as SQL that MariaDB, PostgreSQL and SQLite
take; the tables are the same in Neutron 25 to 29."""

BINDINGS = """
SELECT b.port_id, b.vif_type, b.vnic_type, b.status AS binding_status, p.status, p.network_id,
       p.device_owner, p.device_id
  FROM ml2_port_bindings b JOIN ports p ON p.id = b.port_id
 WHERE b.host = :host
"""
DISTRIBUTED = """
SELECT d.port_id, d.vif_type, d.vnic_type, d.status AS binding_status, p.status, p.network_id,
       p.device_owner, p.device_id
  FROM ml2_distributed_port_bindings d JOIN ports p ON p.id = d.port_id
 WHERE d.host = :host AND d.vif_type = :vif_type
"""
LEVELS = """
SELECT l.port_id, l.level, l.driver, s.network_type, s.physical_network, s.segmentation_id
  FROM ml2_port_binding_levels l LEFT JOIN networksegments s ON s.id = l.segment_id
 WHERE l.host = :host
"""
ELSEWHERE = """
SELECT o.port_id, o.host
  FROM ml2_port_bindings b JOIN ml2_port_bindings o ON o.port_id = b.port_id AND o.host <> b.host
 WHERE b.host = :host
"""
TRUNKS = """
SELECT t.port_id FROM trunks t JOIN ml2_port_bindings b ON b.port_id = t.port_id
 WHERE b.host = :host
 UNION
SELECT t.port_id FROM subports t JOIN ml2_port_bindings b ON b.port_id = t.port_id
 WHERE b.host = :host
"""
QOS = """
SELECT q.port_id FROM qos_port_policy_bindings q JOIN ml2_port_bindings b ON b.port_id = q.port_id
 WHERE b.host = :host
 UNION
SELECT p.id FROM qos_network_policy_bindings q JOIN ports p ON p.network_id = q.network_id
  JOIN ml2_port_bindings b ON b.port_id = p.id
 WHERE b.host = :host AND p.device_owner LIKE 'compute:%'
"""
WITH_GROUPS = """
SELECT DISTINCT g.port_id
  FROM securitygroupportbindings g JOIN ml2_port_bindings b ON b.port_id = g.port_id
  LEFT JOIN portsecuritybindings s ON s.port_id = g.port_id
 WHERE b.host = :host AND COALESCE(s.port_security_enabled, :yes) = :yes
"""
AGENTS = """
SELECT host, agent_type, heartbeat_timestamp, started_at, admin_state_up, configurations
  FROM agents WHERE agent_type IN (:one, :other)
"""
TUNNEL_ENDS = "SELECT ip_address, host FROM ml2_vxlan_endpoints"

CHANGE_BINDING = """
UPDATE ml2_port_bindings SET vif_type = :to_type, vif_details = :details
 WHERE port_id = :port_id AND host = :host AND vif_type = :from_type
"""
CHANGE_LEVEL = """
UPDATE ml2_port_binding_levels SET driver = :to_driver
 WHERE port_id = :port_id AND host = :host AND driver = :from_driver
"""
#: as Neutron does with each change of a binding: who has read the port before is to notice
REVISE = """
UPDATE standardattributes SET revision_number = revision_number + 1
 WHERE id = (SELECT standard_attr_id FROM ports WHERE id = :port_id)
"""
ADD_TUNNEL_END = """
INSERT INTO ml2_vxlan_endpoints (ip_address, udp_port, host) VALUES (:address, :udp_port, :host)
"""
