"""TL114: the task computes something that takes long or costs money."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_LIBRARIES = (
    "openai.", "anthropic.", "torch.", "transformers.", "whisper.", "whisperx.", "sentence_transformers.", "langchain",
    "llama_index.", "litellm.", "cohere.", "google.generativeai", "vertexai", "replicate.", "huggingface_hub.",
    "sklearn.", "tensorflow.", "keras.", "diffusers.", "spacy.", "crewai.", "autogen", "moviepy.", "ffmpeg.", "playwright.",
    "selenium.", "yt_dlp.", "pydub.", "instructor.", "groq.", "mistralai.", "unstructured.",
)  # fmt: skip
_MODELS = frozenset(
    [
        "llm",
        "model",
        "agent",
        "chain",
        "openai",
        "client",
        "anthropic",
        "pipeline",
        "embedder",
        "embedding",
        "embeddings",
        "transcriber",
        "graph",
        "crew",
        "bot",
        "assistant",
        "summarizer",
        "classifier",
        "generator",
    ]
)
_COSTLY = frozenset(
    [
        "generate",
        "ainvoke",
        "invoke",
        "predict",
        "transcribe",
        "embed",
        "summarize",
        "translate",
        "train",
        "finetune",
        "inference",
        "completion",
        "acompletion",
        "kickoff",
        "diarize",
        "synthesize",
        "vectorize",
        "fit",
        "encode",
        "rerank",
    ]
)
_CHEAP = frozenset(
    [
        "abort",
        "cancel",
        "release",
        "close",
        "shutdown",
        "unload",
        "empty_cache",
        "no_grad",
        "get",
        "set",
        "manual_seed",
        "is_available",
    ]
)


def _computes(call: Call) -> str | None:
    if call.local or call.name in _CHEAP or call.makes:
        return None
    if call.outside.startswith(_LIBRARIES) and call.verb in _COSTLY | {
        "create",
        "run",
        "load",
        "from",
        "download",
        "snapshot",
    }:
        return _said(call)
    if call.text.endswith(("completions.create", "messages.create", "responses.create", "images.generate")):
        return _said(call)
    if call.verb in _COSTLY and (
        call.receiver & _MODELS
        or call.verb in ("transcribe", "embed", "train", "vectorize", "diarize", "finetune")
    ):
        return _said(call)
    return None


def _said(call: Call) -> str:
    return f"computes a result that takes long or costs money: {shown(call.node)}"


RULE = Rule(
    code="TL114",
    title="computes a result",
    says="queue",
    weight=3,
    reason=(
        "Transcribing, embedding, generating: minutes of a GPU or cents of an API, for a result that somebody asked for. "
        "Such a task writes no row that a reader would notice, and still it is the whole point of the request."
    ),
    bad="""
def summarize(document_id: int) -> None:
    text = load(document_id)
    keep(document_id, client.chat.completions.create(model="m", messages=[text]))

@app.post("/documents/{document_id}/summary")
def start(document_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(summarize, document_id)
""",
    good="""
@tasks.task(if_lost="alert", because="the customer asked for the summary")
def summarize(document_id: int) -> None:
    text = load(document_id)
    keep(document_id, client.chat.completions.create(model="m", messages=[text]))

@app.post("/documents/{document_id}/summary")
def start(document_id: int, lanes: Lanes):
    lanes.add_task(summarize, document_id)
""",
    of_call=_computes,
)
