// The texts of a beam over CTC's prefixes: one step of tasks/transcribe/texts.py, addition by addition, so that both give the same bits. engines/cpp/texts.py calls it.
//
// Texts are the leaves of a tree of symbols; the ways to write them are chains of signs (a symbol, where it stands, its highest log-probability). What all texts share stands there once.
// What no text leads to any more is cleared out as soon as it may be half of what is there: memory grows with the text, never with the steps.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace {
typedef int64_t number;
const number BLANK = 0, NONE = -1, NOT_YET = -2, LEAST_ROOM = 1024;

struct Node {
  number parent, symbol, child, sibling;  // its first child, and the next of its parent's
};
struct Sign {
  number before, symbol, start, end;
  double peak;
};
// The likeliest way to write a text: its last sign stands here, since it may grow longer, and those before it in a chain.
struct Way {
  double score;
  number before, start, end;
  double peak;
};
// blank, symbol: logarithms of the probabilities of all ways, by their last step.
struct Text {
  number node, last;
  double blank, symbol;
  Way by_blank, by_symbol;
};

template <class T> struct Row {
  T* at;
  number size, room;
  void reserve(number wanted) {
    if (wanted <= room) return;
    room = wanted < 2 * room ? 2 * room : wanted;
    at = (T*)realloc(at, room * sizeof(T));
    if (!at) abort();  // there is no memory left, and nothing above could go on either
  }
  T& add(const T& one) {
    T copy = one;
    reserve(size + 1);
    return at[size++] = copy;
  }
};

double added(double a, double b) {  // numpy's logaddexp
  if (a == b) return a + 0.693147180559945309417232121458176568;
  double apart = a - b;
  return apart > 0 ? a + log1p(exp(-apart)) : apart <= 0 ? b + log1p(exp(apart)) : apart;
}

struct Beam {
  number width, symbols, stride, node_limit, sign_limit;  // stride: from one text's row to the next one's; 0 where they share one
  bool again;  // a symbol in the step after its own is the same one going on
  Row<Text> texts, next;
  Row<Node> nodes;
  Row<Sign> signs;
  Row<double> scores, blank, symbol;
  Row<number> merged, pushed, best, moved;  // pushed: of each text the sign that is its last one by the blank, and by its symbol

  void begin() {
    nodes.size = signs.size = texts.size = 0;
    node_limit = sign_limit = LEAST_ROOM;
    nodes.add({NONE, BLANK, NONE, NONE});
    const Way first = {0, NONE, 0, 0, 0}, never = {-INFINITY, NONE, 0, 0, 0};
    texts.add({0, BLANK, 0, -INFINITY, first, never});
  }

  number child(number parent, number symbol_) {
    for (number one = nodes.at[parent].child; one != NONE; one = nodes.at[one].sibling)
      if (nodes.at[one].symbol == symbol_) return one;
    nodes.add({parent, symbol_, NONE, nodes.at[parent].child});
    return nodes.at[parent].child = nodes.size - 1;
  }

  // Scores of the texts that are there, then of each with one more symbol, [N + N (V - 1)].
  void extend(const double* rows) {
    const number count = texts.size, more = symbols - 1;
    scores.reserve(count * symbols), blank.reserve(count), symbol.reserve(count), merged.reserve(count);
    double* longer = scores.at + count;
    for (number i = 0; i < count; i++) {
      const Text& text = texts.at[i];
      const double* row = rows + i * stride;
      double total = added(text.blank, text.symbol), *mine = longer + i * more;
      for (number v = 1; v < symbols; v++) mine[v - 1] = total + row[v];
      if (again && text.last != BLANK) mine[text.last - 1] = text.blank + row[text.last];
      blank.at[i] = total + row[BLANK];
      symbol.at[i] = !again || text.last == BLANK ? -INFINITY : text.symbol + row[text.last];
    }
    for (number i = 0; i < count; i++) {  // a text that is another one and a symbol is there already
      const Text& text = texts.at[i];
      merged.at[i] = NONE;
      for (number j = 0; text.last != BLANK && j < count; j++)
        if (texts.at[j].node == nodes.at[text.node].parent) {
          double& same = longer[j * more + text.last - 1];
          symbol.at[i] = added(symbol.at[i], same);
          same = -INFINITY, merged.at[i] = j;
          break;
        }
      scores.at[i] = added(blank.at[i], symbol.at[i]);
    }
  }

  // The likeliest, the first of equal ones first.
  void choose() {
    const number all = texts.size * symbols;
    best.reserve(width < all ? width : all), best.size = 0;
    for (number one = 0; one < all; one++) {
      double score = scores.at[one];
      if (!(score > -INFINITY) || (best.size == width && score <= scores.at[best.at[width - 1]])) continue;
      number low = 0, high = best.size;
      while (low < high) {
        number middle = (low + high) / 2;
        if (scores.at[best.at[middle]] >= score) low = middle + 1;
        else high = middle;
      }
      if (best.size < width) best.size++;
      memmove(best.at + low + 1, best.at + low, (best.size - 1 - low) * sizeof(number));
      best.at[low] = one;
    }
  }

  // A text's way and one more symbol: the likelier way, or that by the blank where the symbol would go on.
  Way written(number before, number symbol_, const double* rows, number step) {
    const double* row = rows + before * stride;
    const Text& text = texts.at[before];
    bool by_symbol = (!again || text.last != symbol_) && text.by_symbol.score > text.by_blank.score;
    const Way& way = by_symbol ? text.by_symbol : text.by_blank;
    number& place = pushed.at[2 * before + by_symbol];
    if (place == NOT_YET) place = text.last == BLANK ? NONE : (signs.add({way.before, text.last, way.start, way.end, way.peak}), signs.size - 1);
    return {way.score + row[symbol_], place, step, step + 1, row[symbol_]};
  }

  void keep(const number* chosen, number kept, const double* rows, number step) {
    const number count = texts.size, more = symbols - 1;
    pushed.reserve(2 * count);
    for (number i = 0; i < 2 * count; i++) pushed.at[i] = NOT_YET;
    next.size = 0;
    for (number k = 0; k < kept; k++) {
      number one = chosen[k];
      if (one >= count) {
        number before = (one - count) / more, last = (one - count) % more + 1;
        const Way never = {-INFINITY, NONE, 0, 0, 0};
        next.add({child(texts.at[before].node, last), last, -INFINITY, scores.at[one], never, written(before, last, rows, step)});
        continue;
      }
      const double* row = rows + one * stride;
      Text text = texts.at[one];
      Way stayed = text.by_symbol.score > text.by_blank.score ? text.by_symbol : text.by_blank;
      stayed.score += row[BLANK];
      text.by_blank = stayed;
      if (text.last != BLANK) {
        Way& way = text.by_symbol;
        way.score += again ? row[text.last] : -INFINITY, way.end = step + 1;
        if (row[text.last] > way.peak) way.peak = row[text.last];
        if (merged.at[one] != NONE) {
          Way other = written(merged.at[one], text.last, rows, step);
          if (other.score > way.score) way = other;
        }
      }
      text.blank = blank.at[one], text.symbol = symbol.at[one];
      next.add(text);
    }
    Row<Text> before = texts;
    texts = next, next = before;
    if (nodes.size > node_limit) clear_nodes();
    if (signs.size > sign_limit) clear_signs();
  }

  // What is marked moves to the front, parents before children as they are.
  void clear_nodes() {
    moved.reserve(nodes.size);
    memset(moved.at, 0, nodes.size * sizeof(number));
    moved.at[0] = 1;
    for (number i = 0; i < texts.size; i++) moved.at[texts.at[i].node] = 1;
    for (number one = nodes.size - 1; one > 0; one--)
      if (moved.at[one]) moved.at[nodes.at[one].parent] = 1;
    number count = 0;
    for (number one = 0; one < nodes.size; one++) {
      if (!moved.at[one]) continue;
      moved.at[one] = count;
      Node node = {one ? moved.at[nodes.at[one].parent] : NONE, nodes.at[one].symbol, NONE, NONE};
      if (one) node.sibling = nodes.at[node.parent].child, nodes.at[node.parent].child = count;
      nodes.at[count++] = node;
    }
    for (number i = 0; i < texts.size; i++) texts.at[i].node = moved.at[texts.at[i].node];
    nodes.size = count, node_limit = 2 * count < LEAST_ROOM ? LEAST_ROOM : 2 * count;
  }
  void clear_signs() {
    moved.reserve(signs.size);
    memset(moved.at, 0, signs.size * sizeof(number));
    for (number i = 0; i < 2 * texts.size; i++) {
      Way* way = i % 2 ? &texts.at[i / 2].by_symbol : &texts.at[i / 2].by_blank;
      if (way->before != NONE) moved.at[way->before] = 1;
    }
    for (number one = signs.size - 1; one >= 0; one--)
      if (moved.at[one] && signs.at[one].before != NONE) moved.at[signs.at[one].before] = 1;
    number count = 0;
    for (number one = 0; one < signs.size; one++) {
      if (!moved.at[one]) continue;
      moved.at[one] = count;
      Sign sign = signs.at[one];
      if (sign.before != NONE) sign.before = moved.at[sign.before];
      signs.at[count++] = sign;
    }
    for (number i = 0; i < 2 * texts.size; i++) {
      Way* way = i % 2 ? &texts.at[i / 2].by_symbol : &texts.at[i / 2].by_blank;
      if (way->before != NONE) way->before = moved.at[way->before];
    }
    signs.size = count, sign_limit = 2 * count < LEAST_ROOM ? LEAST_ROOM : 2 * count;
  }

  // The node of a text whose symbols before the last stand in a chain.
  number node_of(number before, number last, Row<number>& line) {
    if (last == BLANK) return 0;
    line.size = 0, line.add(last);
    for (; before != NONE; before = signs.at[before].before) line.add(signs.at[before].symbol);
    number node = 0;
    while (line.size) node = child(node, line.at[--line.size]);
    return node;
  }
};
}  // namespace

extern "C" {
void* tenuto_open(number width, number again) {
  Beam* beam = (Beam*)calloc(1, sizeof(Beam));
  if (!beam) abort();
  beam->width = width, beam->again = again;
  beam->begin();
  return beam;
}
void tenuto_close(Beam* beam) {
  free(beam->texts.at), free(beam->next.at), free(beam->nodes.at), free(beam->signs.at), free(beam->scores.at), free(beam->blank.at), free(beam->symbol.at);
  free(beam->merged.at), free(beam->pushed.at), free(beam->best.at), free(beam->moved.at), free(beam);
}
void tenuto_begin(Beam* beam) { beam->begin(); }
number tenuto_count(const Beam* beam) { return beam->texts.size; }
number tenuto_held(const Beam* beam) { return beam->nodes.room + beam->signs.room; }
// Rows [V], or [N, V] with a stride of V.
void tenuto_step(Beam* beam, const double* rows, number symbols, number stride, number step) {
  beam->symbols = symbols, beam->stride = stride, beam->extend(rows), beam->choose();
  beam->keep(beam->best.at, beam->best.size, rows, step);
}
const double* tenuto_extend(Beam* beam, const double* rows, number symbols, number stride) { return beam->symbols = symbols, beam->stride = stride, beam->extend(rows), beam->scores.at; }
void tenuto_keep(Beam* beam, const number* best, number count, const double* rows, number step) { beam->keep(best, count, rows, step); }
void tenuto_totals(const Beam* beam, double* to) {
  for (number i = 0; i < beam->texts.size; i++) to[i] = added(beam->texts.at[i].blank, beam->texts.at[i].symbol);
}
// How many symbols a text has; with `to`, which they are.
number tenuto_text(const Beam* beam, number place, number* to) {
  number length = 0, node = beam->texts.at[place].node;
  for (number one = node; one; one = beam->nodes.at[one].parent) length++;
  number rest = length;
  for (number one = node; to && one; one = beam->nodes.at[one].parent) to[--rest] = beam->nodes.at[one].symbol;
  return length;
}
// Everything as plain numbers: signs, [S, 4] and [S]; texts, last and (before, start, end) of both ways, [N, 7], and the logarithms, (score, peak) of both ways, [N, 6]. How many signs there are.
number tenuto_kept(Beam* beam, number* signs, double* peaks, number* texts, double* scores) {
  if (!signs) return beam->clear_signs(), beam->signs.size;
  for (number i = 0; i < beam->signs.size; i++) {
    const Sign& sign = beam->signs.at[i];
    const number numbers[4] = {sign.before, sign.symbol, sign.start, sign.end};
    memcpy(signs + 4 * i, numbers, sizeof numbers), peaks[i] = sign.peak;
  }
  for (number i = 0; i < beam->texts.size; i++) {
    const Text& text = beam->texts.at[i];
    const Way &blank = text.by_blank, &symbol = text.by_symbol;
    const number numbers[7] = {text.last, blank.before, blank.start, blank.end, symbol.before, symbol.start, symbol.end};
    const double parts[6] = {text.blank, text.symbol, blank.score, blank.peak, symbol.score, symbol.peak};
    memcpy(texts + 7 * i, numbers, sizeof numbers), memcpy(scores + 6 * i, parts, sizeof parts);
  }
  return beam->signs.size;
}
void tenuto_resume(Beam* beam, number sign_count, const number* signs, const double* peaks, number text_count, const number* texts, const double* scores) {
  beam->begin();
  beam->texts.size = 0;
  for (number i = 0; i < sign_count; i++) beam->signs.add({signs[4 * i], signs[4 * i + 1], signs[4 * i + 2], signs[4 * i + 3], peaks[i]});
  for (number i = 0; i < text_count; i++) {
    const number* n = texts + 7 * i;
    const double* s = scores + 6 * i;
    const Way blank = {s[2], n[1], n[2], n[3], s[3]}, symbol = {s[4], n[4], n[5], n[6], s[5]};
    number node = beam->node_of(blank.score > -INFINITY ? blank.before : symbol.before, n[0], beam->moved);
    beam->texts.add({node, n[0], s[0], s[1], blank, symbol});
  }
}
}
