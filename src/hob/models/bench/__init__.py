"""The room that measures how well a model calls tools: tasks with one right answer, a judge, and the running of them."""
