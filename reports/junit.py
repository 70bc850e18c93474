"""A gate's verdict as JUnit XML, which every CI server shows as tests."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from audit.gate import Judgement, Verdict
from reports.verdict_words import figures, headline
from reports.words import visible


def junit(verdict: Verdict) -> str:
    """One test case per primary metric and one per breach; what is inconclusive is a failure of that type."""
    judged, breaches = verdict.judgements, verdict.breaches
    failures = sum(each.status != "pass" for each in judged)
    suite = Element(
        "testsuite",
        name="audit gate",
        tests=str(len(judged) + len(breaches)),
        failures=str(failures),
        errors=str(len(breaches)),
    )
    for each in judged:
        case = SubElement(suite, "testcase", classname="audit.gate", name=visible(each.primary.audit))
        if each.status != "pass":
            told = SubElement(case, "failure", type=each.status, message=visible(each.reason))
            told.text = visible(_said(each))
        SubElement(case, "system-out").text = visible(_said(each))
    for breach in breaches:
        case = SubElement(suite, "testcase", classname="audit.gate.breach", name=visible(breach.kind))
        SubElement(case, "error", type="breach", message=visible(breach.text))
    SubElement(suite, "system-out").text = visible(headline(verdict))
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _said(each: Judgement) -> str:
    return "\n".join(f"{name}: {value}" for name, value in figures(each).items() if value)
