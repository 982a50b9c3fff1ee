"""What the custodian does about privacy, and the Protocols that its adapters meet."""
