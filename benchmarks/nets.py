"""The networks that are timed, each under PyTorch's names and beside it in TensorFlow, as Keras' users write
them."""


def mlp(torch, *sizes):
    nn, layers = torch.nn, []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mlp_in_tensorflow(tf, *sizes):
    layers = [tf.keras.layers.Dense(size, activation="relu") for size in sizes[1:-1]]
    return tf.keras.Sequential(
        [tf.keras.layers.Input((sizes[0],)), *layers, tf.keras.layers.Dense(sizes[-1])]
    )


def lenet(torch):
    """LeCun et al. 1998, with ReLU and max pooling."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def lenet_in_tensorflow(tf):
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10),
        ]
    )


def resnet18(torch):
    """He et al. 2015 for 32 x 32 images: a 3 x 3 stem without pooling."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.shortcut = nn.Identity()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x):
            y = self.bn1(self.conv1(x)).relu()
            return (self.bn2(self.conv2(y)) + self.shortcut(x)).relu()

    layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def resnet18_in_tensorflow(tf):
    layers = tf.keras.layers

    def convolved(x, outputs, size, stride):
        y = layers.Conv2D(outputs, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(y)

    def block(x, outputs, stride):
        y = layers.ReLU()(convolved(x, outputs, 3, stride))
        shortcut = x
        if stride != 1 or x.shape[-1] != outputs:
            shortcut = convolved(x, outputs, 1, stride)
        return layers.ReLU()(layers.Add()([convolved(y, outputs, 3, 1), shortcut]))

    inputs = layers.Input((32, 32, 3))
    x = layers.ReLU()(convolved(inputs, 64, 3, 1))
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = block(block(x, outputs, stride), outputs, 1)
    return tf.keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def gpt(torch, vocabulary=256, width=192, depth=4, heads=6, length=128):
    """A decoder of pre-norm blocks: Radford et al. 2019."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, size, _ = x.shape
            q, k, v = (
                part.view(batch, size, heads, width // heads).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, size, width))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

        def forward(self, index):
            x = self.tokens(index) + self.places(torch.arange(index.shape[1]))
            return self.head(self.norm(self.blocks(x))).reshape(-1, vocabulary)

    return GPT()


def gpt_in_tensorflow(tf, vocabulary=256, width=192, depth=4, heads=6, length=128):
    layers = tf.keras.layers
    seen = tf.linalg.band_part(tf.ones((length, length), tf.bool), -1, 0)

    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = (layers.LayerNormalization(epsilon=1e-5) for _ in range(2))
            self.qkv, self.out = layers.Dense(3 * width), layers.Dense(width)
            self.up, self.down = layers.Dense(4 * width, activation="gelu"), layers.Dense(width)

        def call(self, x):
            qkv = tf.reshape(self.qkv(self.norm1(x)), (-1, length, 3, heads, width // heads))
            q, k, v = tf.unstack(qkv, axis=2)
            scores = tf.einsum("bqhd,bkhd->bhqk", q, k) * (width // heads) ** -0.5
            weights = tf.nn.softmax(tf.where(seen, scores, float("-inf")))
            y = tf.reshape(tf.einsum("bhqk,bkhd->bqhd", weights, v), (-1, length, width))
            x = x + self.out(y)
            return x + self.down(self.up(self.norm2(x)))

    class GPT(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = layers.Embedding(vocabulary, width), layers.Embedding(length, width)
            self.blocks = [Block() for _ in range(depth)]
            self.norm = layers.LayerNormalization(epsilon=1e-5)
            self.head = layers.Dense(vocabulary, use_bias=False)

        def call(self, index):
            x = self.tokens(index) + self.places(tf.range(length))
            for block in self.blocks:
                x = block(x)
            return tf.reshape(self.head(self.norm(x)), (-1, vocabulary))

    return GPT()


def lstm_model(torch, vocabulary=1000, width=128):
    """A language model of one LSTM layer."""
    nn = torch.nn

    class LanguageModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.head = nn.Linear(width, vocabulary)

        def forward(self, index):
            return self.head(self.lstm(self.tokens(index))[0]).reshape(-1, vocabulary)

    return LanguageModel()


def lstm_model_in_tensorflow(tf, vocabulary=1000, width=128):
    layers = tf.keras.layers

    class LanguageModel(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.tokens = layers.Embedding(vocabulary, width)
            self.lstm = layers.LSTM(width, return_sequences=True)
            self.head = layers.Dense(vocabulary)

        def call(self, index):
            return tf.reshape(self.head(self.lstm(self.tokens(index))), (-1, vocabulary))

    return LanguageModel()


def recommender(torch, tables=8, rows=10_000, width=16):
    """Embeddings of categories beside dense features, then an MLP: after Naumov et al. 2019."""
    nn = torch.nn

    class Recommender(nn.Module):
        def __init__(self):
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(tables))
            self.dense = nn.Linear(13, width)
            self.top = mlp(torch, (tables + 1) * width, 64, 2)

        def forward(self, categories, features):
            parts = [table(categories[:, i]) for i, table in enumerate(self.tables)]
            return self.top(torch.cat([*parts, self.dense(features)], dim=1))

    return Recommender()


def recommender_in_tensorflow(tf, tables=8, rows=10_000, width=16):
    layers = tf.keras.layers

    class Recommender(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.tables = [layers.Embedding(rows, width) for _ in range(tables)]
            self.dense = layers.Dense(width)
            self.top = mlp_in_tensorflow(tf, (tables + 1) * width, 64, 2)

        def call(self, categories, features):
            parts = [table(categories[:, i]) for i, table in enumerate(self.tables)]
            return self.top(tf.concat([*parts, self.dense(features)], 1))

    return Recommender()
