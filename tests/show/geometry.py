"""What a drawn network must keep, whatever it is: nothing overlaps, edges end at their boxes, every layer is there."""

from itertools import combinations

from archspec.analysis import cost_report
from archspec.show.place import Look, place
from archspec.show.scene import END, START, scene_of
from archspec.show.sizes import SMALL
from archspec.svg import text_width


def drawn(graph, depth=99, measure="macs", right=False):
    return place(scene_of(graph, cost_report(graph)), Look(depth, measure, right))


def check(placed, *, texts=False):
    """Every invariant, in every open frame. texts: also that no text at an edge lies on a box or on another text."""
    for frame in placed.walk():
        if frame.open:
            check_boxes(frame)
            for line in frame.lines:
                check_line(frame, line)
            if texts:
                check_texts(frame)


def check_boxes(frame):
    for box in frame.boxes:
        assert frame.x <= box.x and frame.y <= box.y, (frame.box.path, box.box.path)
        assert box.x + box.width <= frame.x + frame.width + 0.2, (frame.box.path, box.box.path)
        assert box.y + box.height <= frame.y + frame.height + 0.2, (frame.box.path, box.box.path)
    for a, b in combinations(frame.boxes, 2):
        assert not overlap(a, b), (a.box.path, b.box.path)


def check_texts(frame):
    """The estimated widths are those of a wide font; 0.93 of them is Verdana's."""
    places = []
    for line in frame.lines:
        if line.text:
            (x, y), width = line.at, text_width(line.text, SMALL) * 0.93
            places.append((line.text, x - {"start": 0, "middle": width / 2, "end": width}[line.anchor], y - 4, width, 8))
    for a, b in combinations(places, 2):
        assert not crosses(a, b[1:]), (frame.box.path, a, b)
    for text in places:
        for box in frame.boxes:
            assert not crosses(text, (box.x, box.y, box.width, box.height)), (text, box.box.path)


def crosses(text, rectangle):
    (_, x, y, width, height), (left, top, across, along) = text, rectangle
    return x < left + across and left < x + width and y < top + along and top < y + height


def overlap(a, b):
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def check_line(frame, line):
    """It starts and ends on the borders of its boxes, and passes through no other."""
    first, last = line.points[0], line.points[-1]
    source = frame if line.edge.source == START else frame.boxes[line.edge.source]
    target = frame if line.edge.target == END else frame.boxes[line.edge.target]
    assert on_border(source, first), (frame.box.path, line)
    assert on_border(target, last), (frame.box.path, line)
    for k, box in enumerate(frame.boxes):
        if k not in (line.edge.source, line.edge.target):
            assert not any(map(box_is_on, [box] * len(line.points), line.points, line.points[1:])), (box.box.path, line)


def box_is_on(box, start, end):
    """Whether the rectangle around a part of a line, straight or curved, lies on the box. Places are rounded to 0.1."""
    (ax, bx), (ay, by) = map(sorted, zip(start, end, strict=True))
    return max(ax, box.x + 0.2) <= min(bx, box.x + box.width - 0.2) and max(ay, box.y + 0.2) <= min(by, box.y + box.height - 0.2)


def on_border(box, point):
    """On a side of the box, or where its head ends."""
    x, y = point
    across = box.x - 0.2 <= x <= box.x + box.width + 0.2
    along = box.y - 0.2 <= y <= box.y + box.height + 0.2
    on_x = min(abs(x - box.x), abs(x - box.x - box.width)) < 0.2
    on_y = min(abs(y - box.y), abs(y - box.y - box.height), abs(y - box.y - 24)) < 0.2
    return across and along and (on_x or on_y)
