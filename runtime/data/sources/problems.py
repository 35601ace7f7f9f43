"""What can be wrong with how images lie in folders, with their boxes and masks, and with their labels (E502 to E597).

Each problem carries plain values (paths as text, names, counts); the caller adds the place in the recipe.
"""

from __future__ import annotations

import json
from pathlib import Path

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import a_few, counted, printable
from runtime.data.problems import quoted

NoClassFolders = Kind(
    "E502",
    "no class folders",
    reason="""A folder of training images must hold one subfolder for each class, and the class's images inside it.

    Images that lie directly in the folder have no class. Hidden folders do not count.""",
    fields="path loose",
    optional={"passed": ""},
    message=(
        "`{path:printable}` has no class folders: it has {loose:counted image} directly inside{passed:if ; {passed}}",
        "`{path:printable}` has no class folders: it has nothing to read{passed:if ; {passed}}",
    ),
    help="make one subfolder per class (roses/1.jpg, tulips/1.jpg), or use csv for a table of labels",
)


def _sets_as_classes_help(p: Problem) -> str:
    folder = Path() if p.span is None else p.span.source.folder
    lines = [f"{field} = folder({json.dumps(_below(path, folder), ensure_ascii=False)})" for field, path in p.sets]
    if not lines:
        return f"give each set its own folder, such as {quoted(f'{p.path}/{p.names[0]}')}"
    return "\n".join(["give each set its own folder:", *map(printable, lines)])


SetsAsClasses = Kind(
    "E503",
    "sets as classes",
    reason="""The subfolders of this folder are data sets (train, valid, test) and not classes.

    Name each of them as a source of its own. Otherwise the model would learn to tell the training set from the test
    set. `sets` are those that have class folders, as (field of the data block, path).""",
    fields="path names",
    optional={"sets": ()},
    message="the folders in `{path:printable}` are sets, not classes: {names:few}",
    help=_sets_as_classes_help,
)


def _below(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else path


EmptyClass = Kind(
    "E504",
    "empty class",
    reason="""A class folder holds no image that can be read, so the model could never learn this class.

    JPEG, PNG, WebP, GIF, BMP, TIFF and the like are read, also under other names. Others, such as HEIC or camera
    raw, must be converted first; a link counts if its target exists.""",
    fields="path names",
    optional={"passed": ""},
    message="{names:plural class|classes} {names:few} in `{path:printable}` {names:plural has|have} no image",
    help=("{passed}", "add images, or remove the folder"),
)

BadAnnotation = Kind(
    "E579",
    "bad annotation",
    reason="""A file with annotations of objects cannot be used: it is damaged, or a value in it makes no sense.

    VOC has a file of XML for each image, COCO one of JSON for all, YOLO a file of numbers for each image.""",
    fields="path line reason",
    optional={"hint": ""},
    message=("`{path:printable}`, line {line}: {reason:printable}", "`{path:printable}`: {reason:printable}"),
    help=("{hint}", "put it right, or leave out its image (`exclude`)"),
)

BadRecord = Kind(
    "E529",
    "bad record",
    reason="""A file that holds many images, with what each shows, cannot be used: it is damaged, it is another kind of
    file, or what it says of an image makes no sense.

    `place` says where: the record, the row or the member by its number or name, and the byte where it begins.""",
    fields="path place reason",
    optional={"hint": ""},
    message=("`{path:printable}`, {place:printable}: {reason:printable}", "`{path:printable}`: {reason:printable}"),
    help="{hint:printable}",
)

NoMatchingFiles = Kind(
    "E537",
    "no matching files",
    reason="""A path with `*`, `?` or braces stands for all files that it matches, and it matches none.

    `train-{{000..009}}.tar` are ten files, `data/train-*.parquet` all that are called so, `data/**/*.tar` those of the
    folders below as well. Of a folder all files with the ending of their kind are meant.""",
    fields="path pattern",
    optional={"most": 0},
    message=(
        "`{pattern:printable}` stands for more than {most:,} files",
        "no file in `{path:printable}` is called `{pattern:printable}`",
    ),
    help=lambda p: "" if p.most else "relative paths start at the recipe's folder, or at `--data-root FOLDER`",
)

BadDescription = Kind(
    "E539",
    "bad description",
    reason="""A Croissant description cannot be used: it is damaged, it refers to what it does not have, or it leaves
    open what is the image, the class or the records.

    `place` is where in its JSON. Read are versions 1.0 and 1.1.""",
    fields="path place reason",
    optional={"hint": ""},
    message=("`{path:printable}`, {place:printable}: {reason:printable}", "`{path:printable}`: {reason:printable}"),
    help="{hint:printable}",
)

FilesNotHere = Kind(
    "E549",
    "described files are not here",
    reason="""A Croissant description names files by their addresses. They are not downloaded.

    They have to lie beside it, or below `root`, in the archives that it names or unpacked.""",
    fields="path place names within root download",
    message=lambda p: (
        f"{quoted(p.path)}, {printable(p.place)}: no {a_few(p.names)}"
        f"{f' of {a_few(p.within)}' if p.within else ''} below {quoted(p.root)}"
    ),
    help=lambda p: (
        f"nothing is downloaded here; in that folder: {printable(p.download)}"
        if p.download
        else "put the files beside the description, or name their folder: `root = …`"
    ),
)

OtherChecksum = Kind(
    "E569",
    "other checksum",
    reason="""A file is not the one that its description is of: its SHA-256 differs.

    It was cut off while it was downloaded, or it is another version.""",
    fields="path place there",
    message="`{path:printable}` is not the file that is described: its SHA-256 is {there}, unlike `{place:printable}`",
    help="download it again; where it was changed on purpose, so has the description to be",
)

CodeInData = Kind(
    "E536",
    "code in data",
    reason="""A pickle is a program, which may do anything when it is run. The one for Python of CIFAR is read, not run:
    it may name NumPy's arrays of bytes, and nothing else.""",
    fields="path name",
    message="`{path:printable}` names `{name:printable}`, which would be run: it is not the file that was published",
    help="download the set again from its own page, or take the binary version",
)

NoCifar = Kind(
    "E538",
    "no CIFAR files",
    reason="""`cifar` reads the files of CIFAR-10 and CIFAR-100 as they are published.

    These are the folders `cifar-10-batches-py`, `cifar-10-batches-bin`, `cifar-100-python` and `cifar-100-binary`, or
    their archives. CIFAR-100 has fine and coarse labels, CIFAR-10 one kind.""",
    fields="path labels",
    message=(
        "`{path:printable}` is of CIFAR-10, which has no {labels} labels",
        "`{path:printable}` has no files of CIFAR-10 or CIFAR-100",
    ),
    help=lambda p: (
        "leave out `labels`" if p.labels else "name the folder with `data_batch_1` or `train`, or the archive (.tar.gz)"
    ),
)

BackgroundClass = Kind(
    "E580",
    "background class",
    reason="""The background is no class of objects: it is what is left where no object is found.

    Files that other tools write may list it, because their networks have an output for it.""",
    fields="path names",
    message="`{path:printable}` has objects of the class {names:few}: the background is no object",
    help='name the classes that are objects: `classes = ["…"]`',
)

NoSuchSplit = Kind(
    "E582",
    "no such split",
    reason="A data set with parts of its own says which images belong to which: `split` is one of them.",
    fields="path split there",
    optional={"nearest": "", "what": "split"},
    message=("`{path:printable}` has no {what} `{split:printable}`", "`{path:printable}` has several {what}s"),
    help=("did you mean `{nearest:printable}`?", "its {what}s are {there:few}", "it has none: leave out `{what}`"),
)

NoAnnotations = Kind(
    "E583",
    "no annotations",
    reason="""A source of objects finds no annotations where it looks for them.

    `voc` reads XML files in `Annotations`, or beside the images; `coco` one JSON file; `yolo` what a `data.yaml`
    names.""",
    fields="path wanted",
    message="`{path:printable}` has no {wanted}",
    help="is this the folder that you mean? `voc`, `coco`, `yolo` and `csv` read annotations of objects",
)

ClassesWithoutObjects = Kind(
    "E584",
    "class without objects",
    reason="A class of which the training images show no object cannot be learned.",
    fields="path names there",
    optional={"nearest": ""},
    message="`{path:printable}` has no object of the {names:plural class|classes} {names:few}",
    help=("did you mean `{nearest:printable}`? its objects are {there:few}", "its objects are {there:few}"),
)

ImagesNotThere = Kind(
    "E585",
    "images not there",
    reason="Annotations are of images that are not there.",
    fields="path names total",
    message=lambda p: (
        f"{quoted(p.path)} has annotations of {counted(p.total, 'image')} not there: {a_few(p.names, p.total)}"
    ),
    help="is the folder of the images the right one?",
)

NoObjects = Kind(
    "E586",
    "no objects",
    reason="None of the training images shows an object, so that nothing can be learned.",
    fields="path",
    message="`{path:printable}` has no object",
    help="is this the right split, and do its annotations lie where the source looks for them?",
)

NoMask = Kind(
    "E590",
    "no mask",
    reason="""An image has no mask of its name in the folder of masks.

    `cells/7.jpg` has the mask `7.png`, or `7_mask.png`; folders inside both are alike. An image that shows none of the
    classes has a mask all the same, of the background alone.""",
    fields="path names",
    optional={"nearest": ""},
    message=lambda p: f"{a_few(p.names)} {'has' if len(p.names) == 1 else 'have'} no mask in {quoted(p.path)}",
    help=("a mask of another name is `{nearest:printable}`", "masks bear the names of their images"),
)

MaskValues = Kind(
    "E591",
    "mask values",
    reason="Each class of a mask has one value, or one colour, in the order of the classes.",
    fields="said count classes",
    message="`{said}` has {count:,} entries for {classes:counted class|classes}",
    help="give one for each class, the background among them",
)

NoColor = Kind(
    "E592",
    "no color",
    reason="A colour of a mask is written as in HTML: `#`, then two hex digits each of red, green and blue.",
    fields="text",
    message="`{text:printable}` is not a colour",
    help='write for example `"#8000ff"`',
)

OtherSeparator = Kind(
    "E595",
    "other separator",
    reason="""No cell of the column has several labels with the separator that the recipe names, and with another one
    many would.

    Each cell would be a label of its own, and no image would have two.""",
    fields="path column separator other cell",
    message="no cell of column `{column:printable}` of `{path:printable}` has `{separator}` between labels, and"
    " `{other}` seems to stand there: `{cell:printable}`",
    help=lambda p: f'write `separator = "{p.other}"`',
)

NoLabels = Kind(
    "E596",
    "no labels",
    reason="Images without a label are fine, but where none has one there is nothing to learn.",
    fields="path where",
    message="no image of `{path:printable}` has a label {where}",
    help="name the column, or the file, that has the labels",
)

BadTags = Kind(
    "E597",
    "bad tags",
    reason="""A file of tags cannot be used.

    A text file has the tags of the image of its name between commas, or on lines of their own. A JSON file is one
    object: the names of images, and of each the list of its tags.""",
    fields="path reason",
    message="`{path:printable}` cannot be used as tags: {reason}",
    help='write `{{"1.jpg": ["beach", "sunset"], "2.jpg": []}}`, or `beach, sunset` in `1.txt` beside `1.jpg`',
)
