"""SummaryWriter: what PyTorch programs log with."""

import os
import socket
import time

import numpy

from . import summary
from .records import EventFile, event, integer, message


class FileWriter:
    """Writes summaries to one event file in a directory."""

    def __init__(self, log_dir, max_queue=10, flush_secs=120, filename_suffix=""):
        self._log_dir = str(log_dir)
        self._events = EventFile(self._log_dir, flush_secs, filename_suffix)

    def get_logdir(self):
        """The directory."""
        return self._log_dir

    def add_summary(self, content, global_step=None, walltime=None):
        """Appends an encoded summary."""
        self._events.write(event(content, global_step, walltime))

    def flush(self):
        """Makes everything written visible to readers."""
        self._events.flush()

    def close(self):
        """Flushes and closes; a later summary opens the file again."""
        self._events.close()


class SummaryWriter:
    """Logs scalars, histograms, images and texts for TensorBoard: to log_dir, by default runs/TIME_HOST +
    comment."""

    def __init__(
        self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""
    ):
        if not log_dir:
            log_dir = os.path.join(
                "runs", time.strftime("%b%d_%H-%M-%S") + "_" + socket.gethostname() + comment
            )
        self.log_dir = str(log_dir)
        self.flush_secs, self.max_queue, self.filename_suffix = flush_secs, max_queue, filename_suffix
        self.file_writer = FileWriter(self.log_dir, max_queue, flush_secs, filename_suffix)
        self.all_writers = {self.log_dir: self.file_writer}
        if purge_step is not None:
            # Event.session_log with status START, 1: readers drop what came before of later steps.
            self.file_writer.add_summary(message(7, integer(1, 1)), purge_step)

    def get_logdir(self):
        """The directory."""
        return self.log_dir

    def add_scalar(
        self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False
    ):
        """Logs a number."""
        self.file_writer.add_summary(
            summary.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime
        )

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Logs several numbers for one chart: each to a directory of its own, as PyTorch does."""
        for tag, value in tag_scalar_dict.items():
            directory = os.path.join(self.log_dir, main_tag.replace("/", "_") + "_" + tag)
            if directory not in self.all_writers:
                self.all_writers[directory] = FileWriter(
                    directory, self.max_queue, self.flush_secs, self.filename_suffix
                )
            self.all_writers[directory].add_summary(summary.scalar(main_tag, value), global_step, walltime)

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """Logs the operations of model(input_to_model), by module; a tuple holds several arguments."""
        from .graph import graph

        if input_to_model is None:
            raise ValueError(
                "add_graph: needs input_to_model, an example input, to see what the model computes"
            )
        self.file_writer.add_summary(graph(model, input_to_model))

    def add_hparams(
        self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None
    ):
        """Logs hyperparameters and the results they gave, in a directory of their own, as PyTorch does."""
        from .hparams import hparams

        directory = os.path.join(self.log_dir, str(run_name or time.time()))
        writer = FileWriter(directory, self.max_queue, self.flush_secs, self.filename_suffix)
        for content in hparams(hparam_dict, metric_dict):
            writer.add_summary(content)
        for tag, value in metric_dict.items():
            writer.add_summary(summary.scalar(tag, value), global_step)
        writer.close()

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None):
        """Logs the distribution of values."""
        self.file_writer.add_summary(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag,
        min,
        max,
        num,
        sum,
        sum_squares,
        bucket_limits,
        bucket_counts,
        global_step=None,
        walltime=None,
    ):
        """Logs a distribution that is counted already."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        self.file_writer.add_summary(
            summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts),
            global_step,
            walltime,
        )

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """Logs a picture: uint8, or numbers from 0 to 1."""
        self.file_writer.add_summary(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Logs several pictures in rows of eight."""
        self.file_writer.add_summary(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """Logs a figure of matplotlib, or a list of them, as a picture."""
        figures = figure if isinstance(figure, list) else [figure]
        pictures = numpy.stack([summary.rendered(one) for one in figures])
        self.add_image(tag, pictures, global_step, walltime, dataformats="NCHW")
        if close:
            import matplotlib.pyplot

            for one in figures:
                matplotlib.pyplot.close(one)

    def add_audio(self, tag, snd_tensor, global_step=None, sample_rate=44100, walltime=None):
        """Logs a sound: numbers from -1 to 1, one channel."""
        self.file_writer.add_summary(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_tensor(self, tag, tensor, global_step=None, walltime=None):
        """Logs numbers of any shape."""
        self.file_writer.add_summary(summary.tensor(tag, tensor), global_step, walltime)

    def add_pr_curve(
        self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None, walltime=None
    ):
        """Logs precision and recall: labels 0 or 1, predictions the probabilities of 1."""
        content = summary.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self.file_writer.add_summary(content, global_step, walltime)

    def add_embedding(
        self, mat, metadata=None, label_img=None, global_step=None, tag="default", metadata_header=None
    ):
        """Writes points [N, D] with labels and pictures for TensorBoard's projector."""
        from .projector import embedding

        embedding(self.log_dir, mat, metadata, label_img, global_step, tag, metadata_header)

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """Logs a text, in Markdown."""
        self.file_writer.add_summary(summary.text(tag, text_string), global_step, walltime)

    def flush(self):
        """Makes everything logged visible to readers."""
        for writer in self.all_writers.values():
            writer.flush()

    def close(self):
        """Flushes and closes all files."""
        for writer in self.all_writers.values():
            writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
