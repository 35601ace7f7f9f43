"""Examples of what the data, the weights or the network show (E5). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

_PHOTOS = 'train = folder("photos")'


def _net(weights: str) -> str:
    return f'base = gluoncv("cifar_resnet20_v1", weights = {weights})'


_NORMALIZED = ", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]"


def _graph(file: str = "net-symbol.json", cut: str = "net_flatten0_flatten0", more: str = _NORMALIZED) -> str:
    return f'base = symbol("{file}", params = "net-0000.params", cut = "{cut}"{more})'


def _pretrained(repository: str, name: str = "resnet50_v1d") -> str:
    return f'base = gluoncv("{name}", weights = hub("{repository}"))'


_REPOSITORY = "The repository is me/resnet50d."

_NUMBERS = """ftr 1
task = regression

data {
  train = csv("train.csv", image = "file", target = "width")
  test  = TEST
}

stage "head" {
  train = head
  for   = 3 epochs
}"""
_MASKS = """ftr 1
task = segmentation

data {
  train = masks("images", "masks", classes = ["wall", "door"]MORE)
  test  = masks("others", "masks", classes = CLASSES)
  size  = 64px
}

stage "head" {
  train = head
  for   = 3 epochs
}"""


def _masks(more: str = "", classes: str = '["wall", "door"]') -> str:
    return _MASKS.replace("MORE", more).replace("CLASSES", classes)


_LABELS = """ftr 1
task = multi_label

data {
  train = TRAIN
  valid = VALID
  size  = 64px
  batch = 4
}

stage "head" {
  train = head
  for   = 3 epochs
}"""


def labels_of(train: str, valid: str = "holdout(25%)") -> str:
    """Return a recipe that learns labels."""
    return _LABELS.replace("TRAIN", train).replace("VALID", valid)


def labels_in(table: str, separator: str = "|") -> str:
    """Return a table of images with several labels in a cell."""
    return f'csv("{table}", image = "file", labels = "kind", separator = "{separator}")'


_OBJECTS = """ftr 1
task = detection

data {
  train = TRAIN
  valid = VALID
  size  = 64px
  batch = 4
}

stage "head" {
  train = head
  for   = 3 epochs
}"""


def _objects(train: str, valid: str = "holdout(25%)") -> str:
    return _OBJECTS.replace("TRAIN", train).replace("VALID", valid)


EXAMPLES: Mapping[str, Example] = {
    "E501": Example(
        'train = folder("data/photo")', 'train = folder("data/photos")', "data", "The folder is data/photos."
    ),
    "E502": Example(
        _PHOTOS,
        'train = csv("photos/labels.csv", image = "file", label = "kind")',
        "data",
        "The images lie directly in photos; labels.csv beside them gives the class of each.",
    ),
    "E503": Example(
        _PHOTOS, 'train = folder("photos/train")', "data", "photos has the folders train and test, these the classes."
    ),
    "E504": Example(
        _PHOTOS,
        _PHOTOS,
        "data",
        "photos/tulips has HEIC files only; it works once they are converted to JPEG.",
    ),
    "E505": Example(
        _PHOTOS,
        'train = folder("photos/photos")',
        "data",
        "The archive unpacked into a folder of its own name: the classes are in photos/photos.",
    ),
    "E506": Example(
        'train = csv("labels.xlsx", image = "file", label = "kind")',
        'train = csv("labels.csv", image = "file", label = "kind")',
        "data",
        "labels.csv was exported from the workbook labels.xlsx as CSV in UTF-8.",
    ),
    "E507": Example(
        'train = csv("labels.csv", image = "image", label = "kind")',
        'train = csv("labels.csv", image = "file", label = "kind")',
        "data",
        "The first line of labels.csv is `file,kind`.",
    ),
    "E508": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("labels.csv", image = "file", label = "kind", root = "photos")',
        "data",
        "A row of labels.csv is `1.jpg,rose`; the file is photos/1.jpg.",
    ),
    "E509": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("complete.csv", image = "file", label = "kind")',
        "data",
        "labels.csv has the row `3.jpg,` without a label; complete.csv gives it one.",
    ),
    "E510": Example(
        "train = solar_cells",
        "train = digits",
        "data",
        "The package elpv-dataset is missing.",
    ),
    "E511": Example(
        'train = fashion_mnist(path = "clothes")',
        'train = fashion_mnist(path = "fashion-mnist")',
        "data",
        "Copying the files in clothes was interrupted; those in fashion-mnist are complete.",
    ),
    "E512": Example(
        f"{_PHOTOS}\non_error = stop",
        f"{_PHOTOS}\non_error = skip",
        "data",
        "One of the photos is a web page saved as 7.jpg.",
    ),
    "E513": Example(
        "steps = [resize(24)]",
        "steps = [resize(24), center_crop(24)]",
        "python",
        "No recipe gets this far: `ftr check` finds a resize without a crop (E432).",
    ),
    "E514": Example(
        'train = folder("photos/train")\nvalid = folder("photos/valid")',
        'train = folder("photos/train")\nvalid = holdout(20%)',
        "data",
        "photos/valid has a folder lilies, photos/train has none.",
    ),
    "E515": Example(
        f"{_PHOTOS}\nvalid = holdout(20%)\ntest = holdout(20%)",
        f"{_PHOTOS}\nvalid = holdout(20%)",
        "data",
        "photos/lilies has two images; each holdout takes one.",
    ),
    "E516": Example(
        f"{_PHOTOS}\nbatch = 64",
        f"{_PHOTOS}\nbatch = 16",
        "data",
        "photos has 50 images, of which 40 are for training.",
    ),
    "E517": Example(f"{_PHOTOS}\ntake = 500 images", f"{_PHOTOS}\ntake = 40 images", "data", "photos has 50 images."),
    "E565": Example(
        f'{_PHOTOS}\nclasses = class_map({{ "flower" = ["rose"] }})',
        f'{_PHOTOS}\nclasses = class_map({{ "rose" = ["roses"] }})',
        "data",
        "photos has the classes roses and tulips.",
    ),
    "E588": Example(
        'train = csv("labels.csv", image = "file", label = "kind", weights = "blurred")',
        'train = csv("labels.csv", image = "file", label = "kind", weights = "certainty")',
        "data",
        "The column `blurred` of labels.csv holds 0 in every row, `certainty` numbers from 0 to 1.",
    ),
    "E566": Example(
        f"{_PHOTOS}\nvalid = holdout(20%, by = folder)",
        f'{_PHOTOS}\nvalid = holdout(20%, by = pattern("[0-9]+"))',
        "data",
        "photos has the folders roses and tulips, and in each 1.jpg, 2.jpg and so on.",
    ),
    "E567": Example(
        f'{_PHOTOS}\nvalid = holdout(20%, by = pattern("jpg"))',
        f'{_PHOTOS}\nvalid = holdout(20%, by = pattern("[0-9]+"))',
        "data",
        "photos has the folders roses and tulips, and in each 1.jpg, 2.jpg and so on.",
    ),
    "E568": Example(
        'train = csv("labels.csv", image = "file", label = "kind")\nvalid = holdout(20%, latest = "read")',
        'train = csv("labels.csv", image = "file", label = "kind")\nvalid = holdout(20%, latest = "taken")',
        "data",
        "The column `read` of labels.csv holds 2024-05-01 in every row, `taken` the day of each photo.",
    ),
    "E518": Example(
        _NUMBERS.replace("TEST", 'csv("test.csv", image = "file", target = ["width", "height"])'),
        _NUMBERS.replace("TEST", 'csv("test.csv", image = "file", target = "width")'),
        "file",
        "The sets have two numbers and one.",
    ),
    "E519": Example(
        _NUMBERS.replace("TEST", "holdout(20%)").replace('"width"', '"same"'),
        _NUMBERS.replace("TEST", "holdout(20%)"),
        "file",
        "The column `same` of train.csv holds 3 in every row.",
    ),
    "E590": Example(
        _masks().replace('"masks", classes = ["wall", "door"])', '"all", classes = ["wall", "door"])', 1),
        _masks(),
        "file",
        "The folder `all` has no mask for image 7.jpg.",
    ),
    "E591": Example(_masks(", values = [0, 128, 255]"), _masks(", values = [0, 1]"), "file"),
    "E592": Example(
        _masks(', colors = ["black", "white"]'),
        _masks(', colors = ["#000000", "#010101"]'),
        "file",
        "Masks in colours.",
    ),
    "E593": Example(_masks(classes='["door", "wall"]'), _masks(), "file"),
    "E529": Example(
        'train = cifar("cut")',
        'train = cifar("cifar-10-batches-bin")',
        "data",
        "Copying the files in the folder `cut` was interrupted.",
    ),
    "E536": Example(
        'train = cifar("found")',
        'train = cifar("cifar-10-batches-bin")',
        "data",
        "Somebody has put a program into the pickles in the folder `found`.",
    ),
    "E537": Example(
        'train = webdataset("shards/trian-*.tar")',
        'train = webdataset("shards/train-*.tar")',
        "data",
    ),
    "E538": Example(
        'train = cifar("shards")',
        'train = cifar("cifar-10-batches-bin")',
        "data",
        "The folder `shards` has tar files.",
    ),
    "E539": Example(
        'train = croissant("pets.json", label = "kid")',
        'train = croissant("pets.json", label = "kind")',
        "data",
        "The records of pets.json have the fields `file` and `kind`.",
    ),
    "E549": Example(
        'train = croissant("away.json")',
        'train = croissant("pets.json")',
        "data",
        "The table that away.json describes is on the web; that of pets.json lies beside it.",
    ),
    "E569": Example(
        'train = croissant("other.json")',
        'train = croissant("pets.json")',
        "data",
        "The sum of pets.csv in other.json is of another file.",
    ),
    "E595": Example(labels_of(labels_in("pets.csv", ";")), labels_of(labels_in("pets.csv")), "file"),
    "E596": Example(
        labels_of(labels_in("blank.csv")),
        labels_of(labels_in("pets.csv")),
        "file",
        "The column `kind` of blank.csv is blank.",
    ),
    "E597": Example(
        labels_of('tags("photos", file = "list.json")'),
        labels_of('tags("photos", file = "tags.json")'),
        "file",
        "list.json is a list; tags.json has the tags of each image.",
    ),
    "E598": Example(
        labels_of(labels_in("pets.csv"), labels_in("typo.csv")),
        labels_of(labels_in("pets.csv"), labels_in("one.csv")),
        "file",
        "typo.csv has a `cta`.",
    ),
    "E599": Example(
        labels_of('csv("none.csv", image = "file", labels = ["cat", "fox"])'),
        labels_of('csv("none.csv", image = "file", labels = ["cat"])'),
        "file",
        "No image of none.csv has a fox.",
    ),
    "E594": Example(
        f'ftr 1\n\ndata {{\n  {_PHOTOS}\n}}\n\nloss = cross_entropy(weights = {{ "rose" = 2 }})\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        f'ftr 1\n\ndata {{\n  {_PHOTOS}\n}}\n\nloss = cross_entropy(weights = {{ "roses" = 2 }})\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
        "photos has the classes lilies, roses and tulips.",
    ),
    "E589": Example(
        f"{_PHOTOS}\nthreshold = best(valid.f1)",
        f"{_PHOTOS}\nthreshold = none",
        "data",
        "photos has the classes lilies, roses and tulips.",
    ),
    "E520": Example(
        _net('gluon_params("net.params")'),
        _net('gluon_params("models/net.params")'),
        given="The file is models/net.params.",
    ),
    "E521": Example(
        _net('gluon_params("download.params")'),
        _net('gluon_params("net.params")'),
        given="download.params is a web page: the server sent it in place of the file that it no longer has.",
    ),
    "E522": Example(
        _net('gluon_params("copy.params")'),
        _net('gluon_params("net.params")'),
        given="Copying net.params to copy.params was interrupted.",
    ),
    "E523": Example(
        'nd.save("net.params", {"weight": weight.tostype("row_sparse")})',
        'nd.save("net.params", {"weight": weight})',
        "python",
    ),
    "E524": Example(
        'torch.save(model, "net.pth")',
        'torch.save(model.state_dict(), "net.pth")',
        "python",
        "The first file names the class of the model, and with it code.",
    ),
    "E525": Example(
        'check_sha256(Path("net.params"), "0676")',
        'check_sha256(Path("net.params"), "0676ba61")',
        "python",
        "No recipe gets this far: `ftr check` finds such a checksum (E311).",
    ),
    "E526": Example(
        _net('gluon_params("net.params", sha256 = "0123abcd")'),
        _net('gluon_params("net.params")'),
        given="The SHA-256 of net.params does not begin with 0123abcd.",
    ),
    "E527": Example(
        _net('gluon_params("net.params")').replace("20_v1", "20_v2"),
        _net('gluon_params("net.params")'),
        given="net.params holds the weights of cifar_resnet20_v1.",
    ),
    "E528": Example(
        'base = packaged("efficientnet_lite1")',
        'base = packaged("efficientnet_lite0")',
        given="Only the package of efficientnet_lite0 is installed; the other is missing.",
    ),
    "E530": Example(
        "ftr new photos",
        "ftr new photos",
        "shell",
        "All files in photos are web pages saved as .jpg; it works once they are images.",
    ),
    "E531": Example(
        "ftr new numbers.csv",
        "ftr new labels.csv",
        "shell",
        "numbers.csv has the numbers of images and no paths; the first line of labels.csv is `file,kind`.",
    ),
    "E532": Example(
        "ftr new files.csv",
        "ftr new labels.csv",
        "shell",
        "files.csv lists the images alone; labels.csv gives the class of each.",
    ),
    "E533": Example("ftr new photos", "ftr new photos --out new.ftr", "shell", "The file photos.ftr already exists."),
    "E534": Example(
        "ftr new caf*", "mv caf* cafe\nftr new cafe", "shell", "The folder is named café in Latin-1, not in UTF-8."
    ),
    "E535": Example("ftr new photo", "ftr new photos", "shell", "The folder is called photos."),
    "E556": Example(
        "ftr new photos --task regression",
        "ftr new leaves.csv --task regression",
        "shell",
        "photos has a folder for each class; leaves.csv has a column `weight`.",
    ),
    "E540": Example(
        _net("imagenet"), _net('gluon_params("net.params")'), given="The servers of the zoo no longer answer."
    ),
    "E541": Example(
        'base = gluon("squeezenet1.0", weights = safetensors("net.safetensors"))',
        'base = gluon("squeezenet1.1", weights = safetensors("net.safetensors"))',
        given="The file holds torchvision's squeezenet1_1.",
    ),
    "E542": Example(
        'base = gluon("mobilenet0.25", weights = safetensors("net.safetensors"))',
        'base = gluon("squeezenet1.1", weights = safetensors("net.safetensors"))',
        given="The file holds torchvision's squeezenet1_1.",
    ),
    "E543": Example(
        "ftr weights convert mobile.pth --base mobilenetv3_small -o mobile.params",
        "ftr weights convert net.safetensors --base squeezenet1.1 -o net.params",
        "shell",
        "net.safetensors holds torchvision's squeezenet1_1.",
    ),
    "E548": Example(
        'base = timm("regnety_004.pycls_in1k", weights = safetensors("net.safetensors", head = kept))',
        'base = timm("regnety_004.pycls_in1k", weights = safetensors("net.safetensors"))',
        given="The classifier in net.safetensors has 3 outputs, and there are 2 classes.",
    ),
    "E544": Example(_graph("net-symbols.json"), _graph("net-symbol.json"), given="net.export wrote net-symbol.json."),
    "E545": Example(
        _graph(cut="pool"), _graph(), given="The last layer before the classifier is net_flatten0_flatten0."
    ),
    "E546": Example(_graph(more=""), _graph(), given="No JSON of ftr's lies beside net-symbol.json."),
    "E547": Example(
        f'{_graph(cut="net_dense0_fwd")}\ndata {{\n  train = folder("photos")\n  size = 128px\n}}',
        f'{_graph(cut="net_dense0_fwd")}\ndata {{\n  train = folder("photos")\n  size = 64px\n}}',
        given="The layer net_dense0_fwd takes the flattened maps of images of 64 x 64 pixels.",
    ),
    "E550": Example('train = matching("*gama")', 'train = matching("*gamma")', "stage"),
    "E551": Example(
        "for = 12 steps\nschedule = cosine(warmup = 2 epochs)",
        "for = 3 epochs\nschedule = cosine(warmup = 2 epochs)",
        "stage",
        "An epoch has 10 steps.",
    ),
    "E552": Example(
        'base = gluon("alexnet", weights = none)\nhead = [global_avg_pool, dense(classes)]',
        'base = gluon("alexnet", weights = none)\nhead = [dense(classes)]',
        given="The last block of alexnet is fully connected: it outputs no feature maps to pool.",
    ),
    "E553": Example(
        'train = folder("photos")\nexclude = "old.exclude.txt"',
        'train = folder("photos")\nexclude = "photos.exclude.txt"',
        "data",
        "old.exclude.txt names an image that is gone.",
    ),
    "E554": Example(
        _pretrained("https://hub.example/me/resnet50d"),
        _pretrained("me/resnet50d"),
        given=_REPOSITORY,
    ),
    "E555": Example(_pretrained("me/resnet50"), _pretrained("me/resnet50d"), given=_REPOSITORY),
    "E557": Example(
        _pretrained("me/broken"),
        _pretrained("me/resnet50d"),
        given="The config.json of me/broken has a mean of two numbers.",
    ),
    "E558": Example("ftr weights remove me/resnet50", "ftr weights remove me/resnet50d", "shell", _REPOSITORY),
    "E559": Example(
        _pretrained("me/resnet50d", "resnet50_v1b"),
        _pretrained("me/resnet50d"),
        given="The repository's config.json says: resnet50d.",
    ),
    "E560": Example(
        "ftr verify flowers.ftr",
        "ftr run flowers.ftr\nftr verify flowers.ftr",
        "shell",
        "flowers.ftr was never run, and has no lock beside it.",
    ),
    "E561": Example(
        "rm photos/roses/7.jpg\nftr run flowers.ftr --locked",
        "rm photos/roses/7.jpg\nftr lock flowers.ftr\nftr run flowers.ftr --locked",
        "shell",
        "flowers.ftr.lock was written before the image was removed.",
    ),
    "E562": Example(
        "ftr verify flowers.ftr",
        "ftr lock flowers.ftr\nftr run flowers.ftr\nftr verify flowers.ftr",
        "shell",
        "A merge has left both sides in flowers.ftr.lock.",
    ),
    "E563": Example(
        "ftr lock flowers.ftr\nftr verify flowers.ftr",
        "ftr lock flowers.ftr\nftr run flowers.ftr\nftr verify flowers.ftr",
        "shell",
        "flowers.ftr was never run.",
    ),
    "E564": Example(
        'base = run("runs")',
        'base = run("runs/flowers-3")',
        given="runs holds the folders of the runs.",
    ),
    "E570": Example(
        "ftr unpack half.ftrpack",
        "ftr unpack flowers.ftrpack",
        "shell",
        "The download of half.ftrpack was cut short.",
    ),
    "E571": Example(
        "ftr unpack found.ftrpack",
        "ftr unpack flowers.ftrpack",
        "shell",
        "found.ftrpack is a pack to which somebody has added `../../.bashrc`.",
    ),
    "E572": Example(
        "ftr pack runs/flowers-1 --out flowers.ftrpack",
        "ftr pack runs/flowers-1 --out better.ftrpack",
        "shell",
        "flowers.ftrpack already exists.",
    ),
    "E573": Example("ftr pull flowers", "ftr pull me/flowers", "shell", "The repository is me/flowers."),
    "E574": Example("ftr pull me/flowrs", "ftr pull me/flowers", "shell", "The repository is me/flowers."),
    "E575": Example(
        "ftr run --resume flowers.ftrpack",
        "ftr run --resume runs/flowers-1",
        "shell",
        "flowers.ftrpack is the pack of the run runs/flowers-1.",
    ),
    "E576": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("labels.csv", image = "file", label = "kind of flower")',
        "data",
        "labels.csv has the columns `file`, `kind`, `kind` and `kind of flower`.",
    ),
    "E577": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("once.csv", image = "file", label = "kind")',
        "data",
        "labels.csv has each row of a rose twice; once.csv has every row once.",
    ),
    "E578": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("alike.csv", image = "file", label = "kind")',
        "data",
        "labels.csv has the labels rosé in two forms of its accent; alike.csv has one of them.",
    ),
    "E579": Example(
        _objects('voc("cut")'), _objects('voc("street")'), "file", "The file cut/3.xml ends in the middle of an object."
    ),
    "E580": Example(
        _objects('voc("tool")'),
        _objects('voc("tool", classes = ["car", "dog"])'),
        "file",
        "A tool has given the folder `tool` boxes of the background.",
    ),
    "E581": Example(
        _objects('voc("street")', 'voc("more")'),
        _objects('voc("street")', 'voc("more", classes = ["car", "dog"])'),
        "file",
        "The folder `more` has a bus as well.",
    ),
    "E582": Example(_objects('voc("lists", split = "trian")'), _objects('voc("lists", split = "train")'), "file"),
    "E583": Example(
        _objects('voc("photos")'), _objects('voc("street")'), "file", "The folder `photos` has images alone."
    ),
    "E584": Example(
        _objects('voc("street", classes = ["car", "dgo"])'),
        _objects('voc("street", classes = ["car", "dog"])'),
        "file",
    ),
    "E585": Example(
        _objects('coco("photos", "street.json")'),
        _objects('coco("street", "street.json")'),
        "file",
        "The images of street.json are in the folder `street`.",
    ),
    "E586": Example(_objects('voc("empty")'), _objects('voc("street")'), "file", "The images of `empty` show nothing."),
    "E587": Example(
        _objects('voc("rare")', "holdout(75%)"),
        _objects('voc("rare")', "holdout(25%)"),
        "file",
        "One image of `rare` shows the only bus.",
    ),
}
