"""The commands of a fake phone: as much of toybox and Android's tools as shakti-sdk asks for."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Sequence

from sdk_builder.device.fake import Call, Command, FakeApp, Reply
from sdk_builder.device.fake_shell import MISSING, fail, sh

_REGULAR, _FOLDER = 0o100644, 0o40755

# --- files ----------------------------------------------------------------------------------


def _inputs(call: Call, names: Sequence[str]) -> tuple[bytes, str]:
    """The content of the files named, or of stdin, and what was wrong."""
    if not names:
        return b"".join(call.stdin), ""
    data, wrong = b"", ""
    for name in names:
        if name in call.phone.files:
            data += call.phone.files[name]
        else:
            why = "Is a directory" if name in call.phone.folders else MISSING
            wrong += f"{call.argv[0]}: {name}: {why}\n"
    return data, wrong


def cat(call: Call) -> Reply:
    """``cat FILES``, or what comes in."""
    data, wrong = _inputs(call, call.arguments)
    return Reply(data, 1 if wrong else 0, wrong)


def head(call: Call) -> Reply:
    """``head -c COUNT [FILE]``."""
    count = int(call.arguments[1])
    data, wrong = _inputs(call, call.arguments[2:])
    return Reply(data[:count], 1 if wrong else 0, wrong)


def sha256sum(call: Call) -> Reply:
    """``sha256sum [FILE]``."""
    data, wrong = _inputs(call, call.arguments)
    if wrong:
        return Reply(b"", 1, wrong)
    return Reply(f"{hashlib.sha256(data).hexdigest()}  {(*call.arguments, '-')[0]}\n")


def stat(call: Call) -> Reply:
    """``stat -L -c "%f %s" FILES``: mode in hexadecimal, size in bytes."""
    out, wrong = "", ""
    for name in call.arguments[call.arguments.index("-c") + 2 :]:
        if name in call.phone.files:
            out += f"{_REGULAR:x} {len(call.phone.files[name])}\n"
        elif name in call.phone.folders:
            out += f"{_FOLDER:x} 4096\n"
        else:
            wrong += f"stat: '{name}': {MISSING}\n"
    return Reply(out, 1 if wrong else 0, wrong)


def mkdir(call: Call) -> Reply:
    """``mkdir -p FOLDERS``."""
    for name in _names(call):
        path = posixpath.normpath(name)
        if path in call.phone.files:
            return fail(call, f"'{name}': File exists")
        while path not in call.phone.folders:
            call.phone.folders.add(path)
            path = posixpath.dirname(path)
    return Reply()


def chmod(call: Call) -> Reply:
    """``chmod MODE FILES``: all files are readable anyway."""
    for name in call.arguments[1:]:
        if name not in call.phone.files and name not in call.phone.folders:
            return fail(call, f"'{name}': {MISSING}")
    return Reply()


def rm(call: Call) -> Reply:
    """``rm -f FILES``, ``rm -rf FOLDERS``."""
    recursive = any(flag in call.arguments for flag in ("-r", "-rf"))
    for name in _names(call):
        if name in call.phone.folders and not recursive:
            return fail(call, f"{name}: is directory")
        call.phone.files.pop(name, None)
        if recursive:
            below = name.rstrip("/") + "/"
            for file in [file for file in call.phone.files if file.startswith(below)]:
                del call.phone.files[file]
            call.phone.folders -= {f for f in call.phone.folders if f"{f}/".startswith(below)}
    return Reply()


def mv(call: Call) -> Reply:
    """``mv -f FILE TARGET``."""
    source, target = _names(call)
    if source not in call.phone.files:
        return fail(call, f"bad '{source}': {MISSING}")
    call.phone.files[target] = call.phone.files.pop(source)
    return Reply()


def df(call: Call) -> Reply:
    """``df -kP FOLDER``."""
    folder = _names(call)[0]
    if folder not in call.phone.folders:
        return fail(call, f"'{folder}': {MISSING}")
    total, free = call.phone.capacity_bytes // 1024, call.phone.free_bytes // 1024
    used = total - free
    return Reply(
        "Filesystem     1K-blocks   Used Available Use% Mounted on\n"
        f"/dev/block/dm-9 {total} {used} {free} {100 * used // max(total, 1)}% /data\n"
    )


def grep(call: Call) -> Reply:
    """``grep -sH . FILES``: every line that is not empty, with the file's name."""
    _flags, _pattern, *names = call.arguments
    out = ""
    for name in names:
        data = call.phone.files.get(name, b"").decode("utf-8", "replace")
        out += "".join(f"{name}:{line}\n" for line in data.splitlines() if line)
    return Reply(out, 0 if out else 1)


def _names(call: Call) -> list[str]:
    return [word for word in call.arguments if not word.startswith("-")]


# --- Android --------------------------------------------------------------------------------


def getprop(call: Call) -> Reply:
    """``getprop [NAME]``."""
    if call.arguments:
        return Reply(call.phone.properties.get(call.arguments[0], "") + "\n")
    rows = sorted(call.phone.properties.items())
    return Reply("".join(f"[{name}]: [{value}]\n" for name, value in rows))


def dumpsys(call: Call) -> Reply:
    """``dumpsys SERVICE``, ``dumpsys package PACKAGE``."""
    service, *arguments = call.arguments
    if service == "package" and arguments:
        app = call.phone.apps.get(arguments[0])
        if app is None:
            return Reply(f"Unable to find package: {arguments[0]}\n")
        return Reply(
            f"Packages:\n  Package [{arguments[0]}] (5fe0c6e):\n"
            f"    versionCode={app.version_code} minSdk=26 targetSdk=35\n"
            f"    versionName={app.version_name}\n"
            f"    signatures=PackageSignatures{{1f2e3d4 version:3, signatures:[{app.signature}], "
            "past signatures:[]}\n"
        )
    if service not in call.phone.services:
        return Reply(f"Can't find service: {service}\n")
    return Reply(call.phone.services[service])


def settings(call: Call) -> Reply:
    """``settings get|put|delete NAMESPACE KEY [VALUE]``."""
    action, namespace, key, *value = call.arguments
    if action == "get":
        return Reply(call.phone.settings.get((namespace, key), "null") + "\n")
    if action == "put":
        call.phone.settings[namespace, key] = value[0]
    else:
        call.phone.settings.pop((namespace, key), None)
    return Reply()


def svc(call: Call) -> Reply:
    """``svc power stayon true|false|ac|usb|wireless``."""
    if call.arguments[:2] == ("power", "stayon"):
        on = call.arguments[2]
        values = {"true": "15", "false": "0", "ac": "1", "usb": "2", "wireless": "4"}
        call.phone.settings["global", "stay_on_while_plugged_in"] = values[on]
    return Reply()


def pm(call: Call) -> Reply:
    """``pm install PATH``, ``pm path PACKAGE``, ``pm uninstall PACKAGE``.

    An APK here is the text ``PACKAGE VERSION_NAME VERSION_CODE [SIGNATURE]``. A test that wants
    another refusal than those of Android for these brings a `pm` of its own.
    """
    action, *arguments = call.arguments
    package = arguments[-1]
    if action == "install":
        return _pm_install(call, package)
    if action == "path":
        if package not in call.phone.apps:
            return Reply(b"", 1)
        return Reply(f"package:{_apk_path(package)}\n")
    if action == "uninstall":
        if call.phone.apps.pop(package, None) is None:
            return Reply("Failure [DELETE_FAILED_INTERNAL_ERROR]\n", 1)
        call.phone.files.pop(_apk_path(package), None)
        call.phone.running.pop(package, None)
        return Reply("Success\n")
    return fail(call, f"unknown command '{action}'")


def _pm_install(call: Call, path: str) -> Reply:
    apk = call.phone.files.get(path, b"")
    words = apk.decode("utf-8", "replace").split()
    if len(words) not in (3, 4):
        return Reply(f"Failure [INSTALL_PARSE_FAILED_NOT_APK: Failed to parse {path}]\n", 1)
    package, name, code, *signature = words
    new, old = FakeApp(name, int(code), "".join(signature)), call.phone.apps.get(package)
    if old and old.signature != new.signature:
        return Reply("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: signatures do not match]\n", 1)
    if old and old.version_code > new.version_code:
        return Reply("Failure [INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected]\n", 1)
    call.phone.apps[package] = new
    call.phone.files[_apk_path(package)] = apk
    call.phone.running.pop(package, None)
    return Reply("Success\n")


def _apk_path(package: str) -> str:
    return f"/data/app/~~fake==/{package}-fake==/base.apk"


def am(call: Call) -> Reply:
    """``am force-stop``, ``am start -n``; instruments are for a test's own `am`."""
    action, *arguments = call.arguments
    if action == "force-stop":
        call.phone.running.pop(arguments[-1], None)
        return Reply()
    if action == "start":
        return _am_start(call, arguments[arguments.index("-n") + 1])
    if action == "instrument":
        component = arguments[-1]
        return Reply(
            f"android.util.AndroidException: INSTRUMENTATION_FAILED: {component}\n"
            "INSTRUMENTATION_STATUS: id=ActivityManagerService\n"
            "INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: "
            f"ComponentInfo{{{component}}}\n"
            "INSTRUMENTATION_STATUS_CODE: -1\n",
            1,
        )
    return fail(call, f"unknown command '{action}'")


def _am_start(call: Call, component: str) -> Reply:
    package = component.partition("/")[0]
    said = f"Starting: Intent {{ cmp={component} }}\n"
    app = call.phone.apps.get(package)
    if app is None:
        return Reply(
            f"{said}Error type 3\nError: Activity class {{{component}}} does not exist.\n", 1
        )
    if app.crash:
        row = "11-24 03:06:42.100  4321  4321 E AndroidRuntime: "
        call.phone.log += [
            f"{row}FATAL EXCEPTION: main",
            f"{row}Process: {package}, PID: 4321",
            f"{row}{app.crash}",
        ]
    else:
        call.phone.running.setdefault(package, 4321)
    return Reply(said)


def pidof(call: Call) -> Reply:
    """``pidof PACKAGE``."""
    pid = call.phone.running.get(call.arguments[-1])
    return Reply(f"{pid}\n") if pid else Reply(b"", 1)


def logcat(call: Call) -> Reply:
    """``logcat``: all of the log, whatever the options."""
    return Reply("".join(f"{line}\n" for line in call.phone.log))


def date(call: Call) -> Reply:
    """``date``: always the same."""
    return Reply("11-24 03:06:41.000\n")


def getconf(call: Call) -> Reply:
    """``getconf PAGE_SIZE``."""
    return Reply(call.phone.properties.get("ro.product.cpu.pagesize.max", "4096") + "\n")


def echo(call: Call) -> Reply:
    """``echo WORDS``."""
    return Reply(" ".join(call.arguments) + "\n")


def nothing(call: Call) -> Reply:
    """A command that succeeds and says nothing."""
    return Reply()


_NAMED: tuple[Callable[[Call], Reply], ...] = (
    *(sh, cat, head, sha256sum, stat, mkdir, chmod, rm, mv, df, grep, getprop, dumpsys),
    *(settings, svc, pm, am, pidof, logcat, date, getconf, echo),
)
COMMANDS: dict[str, Command] = {
    **{command.__name__: command for command in _NAMED},
    **dict.fromkeys(("input", "wm", "true", "sleep", "sync"), nothing),
}
