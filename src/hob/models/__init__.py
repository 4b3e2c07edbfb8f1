"""The room of model servers: adapters behind the `Model` port, and finding one to talk to.

It knows no session and no tool.
"""
