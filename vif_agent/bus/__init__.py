"""The bus, version 1.0: names that sender and agent share. They never change."""

EXCHANGE = "vif_agent"
CAST_TOPIC = "vif_agent"
ADMIN_TOPIC = "vif_agent_admin"
#: what is sent there comes to all agents; they answer who they are, and nothing else
EVERYBODY_TOPIC = "vif_agent_everybody"
NOTIFICATION_TOPIC = "vif_agent_notifications"
VERSION = "1.0"
