"""Verifies one webhook with the Standard Webhooks library for Python, as a receiver would.

Standard input holds {"secret", "headers", "body"}. Prints the event's id, or "refused" and why.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

received = json.load(sys.stdin)
try:
    event = Webhook(received["secret"]).verify(received["body"].encode(), received["headers"])
    print(event["id"])
except WebhookVerificationError as error:
    print("refused:", error)
