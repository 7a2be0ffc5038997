"""x."""

from fastapi import APIRouter

router = APIRouter()


def mount(app):
    pass


def problem_response(request, problem):
    return problem.response()
