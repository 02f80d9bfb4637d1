"""From what a launcher set (TF_CONFIG) to one worker's place among those that train together; only the chief writes."""

import json
import os
from typing import NamedTuple

import tensorflow as tf
from common.entry import Refusal


class Place(NamedTuple):
    """This worker's strategy, its number, and whether it is the one that writes and logs."""

    strategy: tf.distribute.Strategy
    number: int
    workers: int

    @property
    def chief(self) -> bool:
        return self.number == 0

    @property
    def replicas(self) -> range:
        """The numbers of this worker's replicas among all."""
        each = self.strategy.num_replicas_in_sync // self.workers
        return range(self.number * each, (self.number + 1) * each)

    def wait(self) -> None:
        """Until every worker has come here: TensorFlow takes one that ends early for one that crashed."""
        if self.workers > 1:
            add = tf.distribute.ReduceOp.SUM

            def count() -> tf.Tensor:
                return tf.distribute.get_replica_context().all_reduce(add, tf.constant(1.0))

            tf.function(lambda: self.strategy.run(count))()


def place() -> Place:
    """This worker's place; a process that nobody launched as a worker is alone. Call before anything computes."""
    told = json.loads(os.environ.get("TF_CONFIG") or "{}")
    cluster = told.get("cluster", {})
    if cluster.get("ps"):
        raise Refusal("this training has no parameter servers; leave them out of `distribution = tensorflow(…)`")
    workers = [*cluster.get("chief", []), *cluster.get("worker", [])]
    if len(workers) < 2:
        alone = tf.distribute.MirroredStrategy() if len(tf.config.list_physical_devices("GPU")) > 1 else None
        return Place(alone or tf.distribute.get_strategy(), 0, 1)
    task = told["task"]
    if task["type"] not in ("chief", "worker"):
        raise Refusal(f"this training has chief and workers only, not a task of type {task['type']}")
    index = int(task["index"]) + (len(cluster.get("chief", [])) if task["type"] == "worker" else 0)
    return Place(tf.distribute.MultiWorkerMirroredStrategy(), index, len(workers))
