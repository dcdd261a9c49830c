# Sourced by ./wavetank and ./check: gives `.venv`, and does nothing where it stands.
# The caller sets $here, the folder of the clone, and $me, its own name.

# Prints the first Python that is new enough: one start of an interpreter each.
find_python() {
    tried=
    if [ -n "${WAVETANK_PYTHON:-}" ]; then
        set -- "$WAVETANK_PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11
    fi
    for candidate; do
        found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
            2>/dev/null) || continue
        case $found in
            3.[0-9] | 3.10 | [!3].*) tried="${tried:+$tried, }$candidate is $found" ;;
            *) printf '%s\n' "$candidate" && return ;;
        esac
    done
    echo "$me: needs Python 3.11 or newer (${tried:-none was found});" \
        "install one, or name one: WAVETANK_PYTHON=/path/to/python3.12 $0" >&2
    return 1
}

# set_up runtime|dev: makes or mends `.venv` unless its stamp says that it is as the
# lock file, pyproject.toml and the place of the clone want it (`tools/set_up.py`
# writes the stamp). No Python is started for that look: it happens on every call.
set_up() {
    case $1 in
        runtime) lock=requirements.lock ;;
        dev) lock=requirements-dev.lock ;;
    esac
    if [ -x "$here/.venv/bin/python" ] && {
        printf '%s\n' "$here" && cat "$here/$lock" "$here/pyproject.toml"
    } | cmp -s - "$here/.venv/$1.stamp"; then
        return
    fi
    python=$(find_python) || exit
    "$python" -E -s "$here/tools/set_up.py" "$here" "$1" || exit
}
