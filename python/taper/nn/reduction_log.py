"""What a DistributedDataParallel did and how long it took, under the names of PyTorch's logs."""

import os

from .. import _C

_DTYPES = {
    _C.float32: "float",
    _C.float64: "double",
    _C.float16: "c10::Half",
    _C.bfloat16: "c10::BFloat16",
    _C.complex64: "c10::complex<float>",
    _C.complex128: "c10::complex<double>",
}
# The first passes are all looked at, as they differ most; later ones now and then.
_FIRST_PASSES = 10


class ReductionLog:
    """Facts about a model, and figures of the passes looked at: `entries`. Sizes are in bytes, times in
    nanoseconds."""

    def __init__(self, model):
        self.sample_rate, self._samples, self._sums = 100, 0, {}
        parameters = list(model._trained().values())
        buckets = [] if model.reducer is None else model.reducer.report()["first_bucket_bytes"]
        self.entries = {
            "world_size": model.process_group.size(),
            "rank": model.process_group.rank(),
            "module_name": type(model.module).__name__,
            "backend_name": model.process_group.name(),
            "device_ids": "",
            "output_device": -1,
            "is_multi_device_module": 0,
            "broadcast_buffers": int(bool(model.forward_sync_buffers)),
            "bucket_cap_bytes": model.bucket_bytes_cap,
            "find_unused_parameters": int(model.find_unused_parameters),
            "gradient_as_bucket_view": int(model.gradient_as_bucket_view),
            "static_graph": int(model.static_graph),
            "has_sync_bn": int(any(type(m).__name__ == "SyncBatchNorm" for m in model.module.modules())),
            "dtypes": ", ".join(sorted({_DTYPES.get(p.dtype, str(p.dtype)) for p in parameters})),
            "num_parameter_tensors": len(parameters),
            "total_parameter_size_bytes": sum(p.numel() * p.element_size() for p in parameters),
            "bucket_sizes": ", ".join(map(str, buckets)),
            "iteration": 0,
            # Of each group: its own, and that of Gloo's events.
            "gloo_num_threads": 2,
        }
        for name in (
            *("MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES", "TORCH_DISTRIBUTED_DEBUG"),
            *("GLOO_SOCKET_IFNAME", "GLOO_DEVICE_TRANSPORT"),
        ):
            self.entries[name.lower()] = os.environ.get(name, "N/A")

    def wants(self, passes):
        """Whether the pass before is to be looked at, after this number of passes."""
        return passes > 0 and (passes <= _FIRST_PASSES or passes % self.sample_rate == 0)

    def sample(self, report, forward_begin):
        """Takes in a reducer's report of its last pass, whose forward pass began at forward_begin."""
        computed, reduced = report["backward_end"], report["reduction_end"]
        if not computed:
            return
        begin = report["reduction_begin"]
        self._samples += 1
        for name, time in (
            ("forward_compute_time", report["backward_begin"] - forward_begin),
            ("backward_compute_time", computed - report["backward_begin"]),
            ("backward_comm_time", reduced - begin),
            ("backward_compute_comm_overlap_time", max(0, min(computed, reduced) - begin)),
        ):
            self._sums[name] = self._sums.get(name, 0) + time
            self.entries[name] = time
            self.entries["avg_" + name] = self._sums[name] // self._samples
        self.entries |= {
            "iteration": report["passes"],
            "forward_compute_time_start": forward_begin,
            "backward_compute_time_start": report["backward_begin"],
            "backward_compute_time_end": computed,
            "backward_comm_time_start": begin,
            "backward_comm_time_end": reduced,
            "unused_parameter_size": report["unused_bytes"],
            "num_buckets_reduced": report["buckets_reduced"],
            "prev_iteration_grad_ready_order_indices": ", ".join(map(str, report["ready_order"])),
        }

    def note_rebuilt(self, report, parameters):
        """Buckets, after the order of gradients was known."""
        buckets = report["buckets"]
        sizes = [p.numel() * p.element_size() for p in parameters]
        self.entries |= {
            "has_rebuilt_buckets": 1,
            "rebuilt_bucket_sizes": ", ".join(str(sum(sizes[i] for i in bucket)) for bucket in buckets),
            "rebuilt_per_bucket_param_indices": ", ".join(" ".join(map(str, bucket)) for bucket in buckets),
        }

    def note_error(self, text):
        """What the program was told."""
        self.entries |= {"has_error": 1, "error": text}


def _local_used_map(reducer):
    """By parameter: how many ranks used it in the last pass."""
    import taper

    return taper.tensor(reducer.report()["users"], dtype=taper.int32)


_C._distributed.GradientReducer._get_local_used_map = _local_used_map
