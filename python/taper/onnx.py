"""taper.onnx, which this version has no exporter for."""


def export(*args, **kwargs):
    """Throws NotImplementedError: there is no exporter to ONNX yet."""
    raise NotImplementedError(
        "onnx.export: Taper cannot write ONNX files yet; save the weights with "
        "taper.safetensors.save_file(model.state_dict(), path), which PyTorch and ONNX tools read"
    )


def is_in_onnx_export():
    """Whether an export is under way: never."""
    return False
