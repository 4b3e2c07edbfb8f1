"""What an agent can do: one function a tool. Tools see a `Sandbox`, never the machine."""
