"""The stages' work as a worker process does it: each function reads its input from the run folder and leaves its
result there, whole. `pipeline.py` says in which order."""

from openhorizon.jobs.evaluating import (
    evaluate,
    evaluate_rows,
    file_of,
    held_out,
    rows,
    score_of,
)
from openhorizon.jobs.making import (
    keep_tasks,
    make_base,
    play_games,
    self_play,
)
from openhorizon.jobs.scenes import (
    CORPUS_FILE,
    Pair,
    Scene,
    base_folder,
    chat_of,
    demonstrations_of,
    harmless,
    map_corpus,
    model_folder,
    resources_of,
    scene,
    tasks_of,
)
from openhorizon.jobs.training import (
    rows_of,
    train_sft,
    train_student,
    train_teacher,
    watch_for,
)

__all__ = [
    "CORPUS_FILE",
    "Pair",
    "Scene",
    "base_folder",
    "chat_of",
    "demonstrations_of",
    "evaluate",
    "evaluate_rows",
    "file_of",
    "harmless",
    "held_out",
    "keep_tasks",
    "make_base",
    "map_corpus",
    "model_folder",
    "play_games",
    "resources_of",
    "rows",
    "rows_of",
    "scene",
    "score_of",
    "self_play",
    "tasks_of",
    "train_sft",
    "train_student",
    "train_teacher",
    "watch_for",
]
