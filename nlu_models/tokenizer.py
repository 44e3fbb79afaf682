"""The bilingual tokenizer: Unigram with byte fallback (HF `tokenizers`), offsets into the original text.

Its English pieces are the teacher's WordPiece pieces (so that the teacher's word embeddings can initialise ours), scored by how
often each is used in real text; its Chinese pieces are every GB2312 character and the words frequent in our Chinese text.
The normaliser folds width (NFKC), case, accents and traditional characters (OpenCC) in one table, so 轉帳, 转帐 and ＡＢＣ reach
the same pieces, while offsets still point into what the customer typed.

Kudo 2018, "Subword Regularization", for Unigram.
"""

from __future__ import annotations

import collections
import math
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
WORD_START = "▁"
# Marks that NFKC leaves apart although both languages use them alike.
PUNCTUATION = {
    "。": ".",
    "、": ",",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "「": '"',
    "」": '"',
    "–": "-",
    "—": "-",
    "【": "[",
    "】": "]",
}
HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"


def build(
    teacher_vocabulary: Sequence[str],
    english: Iterable[str],
    chinese: Iterable[str],
    *,
    english_pieces: int = 21_500,
    chinese_words: int = 1_400,
    minimum_word_count: int = 25,
) -> Tokenizer:
    """Builds the tokenizer. `teacher_vocabulary` is a BERT vocabulary in id order; texts are raw."""
    normalizer = normalizers.Precompiled(_charsmap())
    pieces = _english_pieces(teacher_vocabulary, english, normalizer, english_pieces)
    chinese = [normalizer.normalize_str(text) for text in chinese]
    pieces.update(_chinese_pieces(chinese, chinese_words, minimum_word_count))
    total = sum(pieces.values())
    scored = sorted(pieces.items(), key=lambda item: (-item[1], item[0]))
    vocabulary = [(token, 0.0) for token in SPECIAL]
    vocabulary += [(piece, math.log(count / total)) for piece, count in scored]
    floor = min(score for _, score in vocabulary) - 6.0
    vocabulary += [(f"<0x{byte:02X}>", floor) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            # Han characters, symbols and punctuation stand alone: none shares a piece with the letters beside it.
            pre_tokenizers.Split(Regex(f"[{HAN}]+"), "isolated"),
            pre_tokenizers.Split(Regex(r"\p{S}"), "isolated"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always", split=False),
            # Chinese has no word starts, so a character has one piece wherever it stands.
            pre_tokenizers.Split(Regex(f"{WORD_START}(?=[{HAN}])"), "removed"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(replacement=WORD_START)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))],
    )
    return tokenizer


def teacher_piece(piece: str) -> str:
    """The WordPiece name of our piece: `▁card` -> `card`, `ing` -> `##ing`, a Chinese character stays itself."""
    if piece.startswith(WORD_START):
        return piece[1:]
    if any(_is_han(character) for character in piece):
        return piece
    return "##" + piece


def _english_pieces(vocabulary, texts, normalizer, limit) -> collections.Counter:
    """Teacher pieces with counts: used often here first, then by the teacher's own order (BERT's ids run by frequency)."""
    usable: dict[str, float] = {}
    for rank, token in enumerate(vocabulary):
        body = token[2:] if token.startswith("##") else token
        if not body or token.startswith("[") and token.endswith("]") or not body.isprintable():
            continue
        if not body.isascii() and not (len(body) == 1 and unicodedata.category(body)[0] in "PS"):
            continue
        piece = body if token.startswith("##") else WORD_START + body
        usable[piece] = 2_000.0 / (rank + 1_000)  # a Zipf prior, worth about two sightings for the commonest
    wordpiece = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.Sequence([normalizer, normalizers.BertNormalizer(lowercase=True)])
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    counts: collections.Counter = collections.Counter()
    for encoding in wordpiece.encode_batch(list(texts)):
        counts.update(encoding.tokens)
    for token, count in counts.items():
        piece = token[2:] if token.startswith("##") else WORD_START + token
        if piece in usable:
            usable[piece] += count
    single = [piece for piece in usable if len(piece.lstrip(WORD_START)) == 1]
    chosen = sorted(usable, key=lambda piece: -usable[piece])[:limit]
    kept = {piece: usable[piece] for piece in dict.fromkeys(single + chosen)}
    kept[WORD_START] = 1.0  # before a character that has only bytes
    return collections.Counter(kept)


def _chinese_pieces(texts: Sequence[str], words: int, minimum: int) -> collections.Counter:
    """Every GB2312 character, and the words that a Unigram trainer keeps and our text uses at least `minimum` times."""
    runs = [run for text in texts for run in _han_runs(text)]
    counts: collections.Counter = collections.Counter({character: 0.5 for character in _gb2312()})
    counts.update(character for run in runs for character in run)
    trainer_model = Tokenizer(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=12_000, max_piece_length=4, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
    )
    trainer_model.train_from_iterator(runs, trainer)
    used: collections.Counter = collections.Counter()
    for encoding in trainer_model.encode_batch(runs):
        used.update(token for token in encoding.tokens if len(token) > 1)
    for token, count in used.most_common(words):
        if count >= minimum:
            counts[token] = count
            for character in token:  # the word's sightings are no longer its characters'
                counts[character] = max(0.5, counts[character] - count)
    return counts


def _charsmap() -> bytes:
    """NFKC, case folding, accent stripping, control characters out, traditional to simplified: one SentencePiece table."""
    import sentencepiece
    from opencc import OpenCC
    from transformers.utils import sentencepiece_model_pb2_new as sentencepiece_model_pb2  # fits protobuf 4

    convert = OpenCC("t2s").convert
    rules = []
    for code in range(1, 0x1FFFF):
        if 0xD800 <= code <= 0xDFFF:
            continue
        source = chr(code)
        target = fold(source, convert)
        if target != source:
            rules.append(f"{code:X}\t{' '.join(f'{ord(c):X}' for c in target)}")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rules.tsv"
        table.write_text("\n".join(rules) + "\n", encoding="ascii")
        text = Path(folder) / "text.txt"
        text.write_text("a b c\n" * 20, encoding="ascii")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(Path(folder) / "m"),
            model_type="char",
            vocab_size=8,
            normalization_rule_tsv=str(table),
            minloglevel=2,
            hard_vocab_limit=False,
        )
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((Path(folder) / "m.model").read_bytes())
    return model.normalizer_spec.precompiled_charsmap


def fold(character: str, to_simplified) -> str:
    """What the normaliser makes of one character; `to_simplified` converts traditional text."""
    if character in PUNCTUATION:
        return PUNCTUATION[character]
    category = unicodedata.category(character)
    if category in ("Mn", "Cf", "Me"):
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    folded = unicodedata.normalize("NFKC", character).casefold()
    decomposed = unicodedata.normalize("NFD", folded)
    if "HANGUL" not in unicodedata.name(character, ""):
        folded = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    if len(folded) == 1 and _is_han(folded):
        folded = to_simplified(folded)
    return folded


def _gb2312() -> list[str]:
    found = []
    for high in range(0xB0, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                found.append(bytes((high, low)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return found


def _han_runs(text: str) -> list[str]:
    runs, current = [], []
    for character in text:
        if _is_han(character):
            current.append(character)
        elif current:
            runs.append("".join(current))
            current = []
    if current:
        runs.append("".join(current))
    return runs


def _is_han(character: str) -> bool:
    return (
        "\u3400" <= character <= "\u4dbf"
        or "\u4e00" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or character == "\u3007"
    )
