"""Settings of PyTorch's compiler: programs may set any, and none has an effect."""
