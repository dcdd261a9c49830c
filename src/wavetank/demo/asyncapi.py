"""The AsyncAPI 3 document of the demo, generated from its messages.

It refuses to know anything of a message that its struct does not say.
"""

from typing import Any

from wavetank.demo.messages import TOPICS, schemas

__all__ = ["document"]


def document(version: str, *, prefix: str = "") -> dict[str, Any]:
    """Return the document, ready to be written as JSON.

    It speaks as feed and bot together, which send all that there is.

    Args:
        version: Of the demo.
        prefix: What stands before each topic, with its dot.
    """
    components = schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wavetank demo: a trading cycle",
            "version": version,
            "description": (
                "Payloads of publications; a channel's address is the hub's topic."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {_key(topic): _channel(topic, prefix) for topic in TOPICS},
        "operations": {
            _key(topic): {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_key(topic)}"},
            }
            for topic in TOPICS
        },
        "components": {
            "schemas": components,
            "messages": {
                name: {
                    "name": name.lower(),
                    "title": name,
                    "summary": schema["description"],
                    "contentType": "application/json",
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                }
                for name, schema in components.items()
            },
        },
    }


def _key(topic: str) -> str:
    """Return a name without dots, which references can hold."""
    return topic.replace(".", "-")


def _channel(topic: str, prefix: str) -> dict[str, Any]:
    name = TOPICS[topic].__name__
    return {
        "address": prefix + topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }
