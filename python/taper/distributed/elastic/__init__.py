"""Names of torch.distributed.elastic; jobs are started by taper.distributed.run."""
