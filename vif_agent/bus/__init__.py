"""The bus, version 1.0: names that sender and agent share. They never change."""

EXCHANGE = "vif_agent"
CAST_TOPIC = "vif_agent"
ADMIN_TOPIC = "vif_agent_admin"
NOTIFICATION_TOPIC = "vif_agent_notifications"
VERSION = "1.0"
