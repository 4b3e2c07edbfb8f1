"""The room that measures how well a model calls tools: tasks, a judge, and the running of them."""
