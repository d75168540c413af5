"""Names of the readers and writers of divided Hugging Face checkpoints, which there are none of here."""


class _Missing:
    def __init__(self, path, *args, **kwargs):
        raise NotImplementedError(
            f"{type(self).__name__}: files of Hugging Face's are not read or written in parts; load whole "
            "ones with taper.safetensors.load_file and set_model_state_dict(full_state_dict=True)"
        )


class HuggingFaceStorageReader(_Missing):
    """Throws NotImplementedError, saying what to use."""


class HuggingFaceStorageWriter(_Missing):
    """Throws NotImplementedError, saying what to use."""
