"""The station: a web app and a JSON API over model folders and training runs.

Here: what a request may ask, how requests that wait together are made together, jobs, and the page.  Not here: models,
samples, scores (the rooms below), and training: a training job is a process of its own, `ganvas train`, whose state is
its run's folder, so this room imports neither the engine nor `api`.
"""
