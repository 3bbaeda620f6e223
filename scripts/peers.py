"""The shares that bench-peers compares, and what stands behind each.

A function makes one or several of them in a bed that has not booted yet: it
starts their servers, on loopback and Unix sockets only, and tells the machine
what the guest needs. What cannot be had is a Missing with its name.
"""

import dataclasses
import os
import pathlib
import re
import socket

from guest_image import Missing, output_of, tool
from machine import Qemu, start, with_children
import vhost_proxy

VIRTIOFSD = pathlib.Path("/usr/lib/qemu/virtiofsd")
SFTP_SERVER = pathlib.Path("/usr/lib/openssh/sftp-server")
VIRTIOFS_DEVICE = 26
SFTP_PORT = 2022
NINE_PORT = 5640


@dataclasses.dataclass
class Peer:
    """A share: how it is mounted, and what makes it cold."""

    name: str
    mount: str
    unmount: str = "umount /mnt"
    empty: str = "true"
    tree: str = "/mnt"
    behind: str = ""  # the server, with its version
    is_share: bool = True  # else a limit, which the host knows nothing of


def warmfs(bed):
    version = output_of(str(bed.bin / "warmfs"), "--version").strip()
    return [Peer("warmfs",
                 "warmfs mount vsock:2:7070 /mnt -o cache=/disk/cache",
                 unmount="warmfs umount /mnt", empty="rm -rf /disk/cache",
                 behind=version)]


# --- the hypervisor's own ------------------------------------------------------

def virtiofs(bed):
    if not VIRTIOFSD.exists():
        raise Missing(f"{VIRTIOFSD} is not here; Debian 12's "
                      "qemu-system-common has it")
    version = output_of(str(VIRTIOFSD), "--version").splitlines()[0]
    peers = []
    for cache in ("auto", "none", "always"):
        path = bed.at / f"virtiofs-{cache}"
        daemon(bed, f"virtiofsd-{cache}",
               [str(VIRTIOFSD), f"--socket-path={path}", "-o",
                f"source={bed.export}", "-o", f"cache={cache}", "-o",
                "sandbox=namespace"])
        if isinstance(bed.machine, Qemu):
            words = ["-chardev", f"socket,id={cache},path={path}", "-device",
                     f"vhost-user-fs-pci,chardev={cache},tag={cache}"]
        else:
            proxy = bed.at / f"proxy-{cache}"
            vhost_proxy.serve(proxy, path, cache)
            words = [f"virtio_uml.device={proxy}:{VIRTIOFS_DEVICE}"]
        bed.machine.more_words += words
        peers.append(Peer(f"virtiofs {cache}",
                          f"mount -t virtiofs {cache} /mnt", behind=version))
    return peers


def nine(bed):
    """QEMU's own server, or diod over vsock: this UML has no 9p on virtio."""
    bed.machine.more_modules += ("9p",)
    if isinstance(bed.machine, Qemu):
        bed.machine.more_modules += ("9pnet_virtio",)
        bed.machine.more_words += [
            "-fsdev", f"local,id=nine,path={bed.export},"
                      "security_model=none,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=nine,mount_tag=nine"]
        mount = "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,"
        return [Peer(f"9p {cache}", f"{mount}cache={cache} nine /mnt",
                     behind="9p of QEMU") for cache in ("none", "loose")]
    bed.machine.more_modules += ("9pnet_fd",)
    diod = tool("diod", "diod")
    relay(bed, NINE_PORT, f"EXEC:{diod} -f -n -N -r 0 -w 1 -e {bed.export} "
                          f"-L {bed.at}/diod.log,nofork")
    mount = ("mount -t 9p -o trans=fd,rfdno=0,wfdno=1,version=9p2000.L,"
             f"msize=65536,access=user,uname=root,aname={bed.export},")
    return [Peer(f"9p {cache}", vsock_exec(
        NINE_PORT, f"{mount}cache={cache} nine /mnt"),
                 behind="diod " + output_of("dpkg-query", "-Wf", "${Version}", "diod"))
            for cache in ("none", "loose")]


# --- servers for a network, over vsock -------------------------------------------
# There is no network in a guest. sshfs and 9p take the vsock stream itself; the
# kernel's clients of SMB and NFS insist on TCP, for which a relay runs in the
# guest, between its loopback and vsock.

SMB_CONFIGURATION = """[global]
server role = standalone
interfaces = lo
bind interfaces only = yes
smb ports = {port}
server min protocol = SMB3_11
disable netbios = yes
load printers = no
map to guest = Bad User
guest account = root
log file = {at}/smbd.log
lock directory = {at}
state directory = {at}
cache directory = {at}
pid directory = {at}
private dir = {at}
ncalrpc dir = {at}/ncalrpc
[share]
path = {export}
guest ok = yes
read only = no
force user = root
"""
# The guest has no modprobe: what cifs asks for by name must be there.
SMB_MODULES = ("cifs", "cmac", "hmac", "ccm", "gcm", "ctr", "ghash_generic",
               "sha256_generic", "sha512_generic")



def smb(bed):
    smbd = tool("smbd", "samba")
    if os.geteuid() != 0:
        raise Missing("smbd wants to be root")
    at = bed.at / "samba"
    at.mkdir()
    port = free_port()
    configuration = at / "smb.conf"
    configuration.write_text(SMB_CONFIGURATION.format(
        port=port, at=at, export=bed.export))
    daemon(bed, "smbd", with_children(
        [smbd, "--foreground", "--no-process-group",
         f"--configfile={configuration}"]))
    bed.machine.more_modules += SMB_MODULES
    tcp_relay(bed, port)
    # By way of mount(2): mount.cifs is not in the guest.
    return [Peer(f"SMB {cache}",
                 f"mount -i -t cifs -o ip=127.0.0.1,port={port},vers=3.1.1,"
                 f"user=guest,pass=,sec=ntlmssp,cache={cache} "
                 "//127.0.0.1/share /mnt",
                 behind="samba " + output_of(smbd, "--version").split()[-1])
            for cache in ("strict", "loose")]


NFS_CONFIGURATION = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {port}; Bind_addr = 127.0.0.1;
  Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false; }}
NFSv4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {at};
  Minor_Versions = 0, 1, 2; Only_Numeric_Owners = true; }}
EXPORT {{ Export_Id = 1; Path = {export}; Pseudo = /share; Access_Type = RW;
  Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }} }}
"""


def nfs(bed):
    ganesha = tool("ganesha.nfsd", "nfs-ganesha-vfs")
    at = bed.at / "ganesha"
    at.mkdir()
    port = free_port()
    configuration = at / "ganesha.conf"
    configuration.write_text(NFS_CONFIGURATION.format(
        port=port, at=at, export=bed.export))
    daemon(bed, "ganesha", [ganesha, "-F", "-f", str(configuration), "-L",
                            f"{at}/log", "-p", f"{at}/pid"])
    bed.machine.more_modules += ("nfsv4",)
    tcp_relay(bed, port)
    version = output_of(ganesha, "-v").split("=")[-1].strip()
    return [Peer("NFS 4.2", "mount -i -t nfs4 -o vers=4.2,addr=127.0.0.1,"
                 f"clientaddr=127.0.0.1,port={port},sec=sys "
                 "127.0.0.1:/share /mnt", behind="nfs-ganesha " + version)]


def sshfs(bed):
    """No sshd and no encryption: at its best."""
    program = tool("sshfs", "sshfs")
    if not SFTP_SERVER.exists():
        raise Missing(f"{SFTP_SERVER} is not here; install openssh-sftp-server")
    bed.other_programs.append(pathlib.Path(program))
    relay(bed, SFTP_PORT, f"EXEC:{SFTP_SERVER},nofork")
    mount = vsock_exec(SFTP_PORT,
                       f"/opt/bin/sshfs -f -o passive :{bed.export} /mnt")
    version = re.search("SSHFS version (.*)",
                        output_of(program, "--version"))[1]
    # It is there a moment after it was started.
    return [Peer("sshfs", f"({mount} >/tmp/sshfs.log 2>&1 &); "
                 "for i in $(seq 500); do grep -q fuse.sshfs /proc/mounts && "
                 "exit; sleep 0.02; done; cat /tmp/sshfs.log; exit 1",
                 behind=f"sshfs {version}")]


def limits(_):
    """What is "mounted" is there already."""
    return [Peer(name, "true", unmount="true", tree=tree, is_share=False)
            for name, tree in (("ext4 in the guest", "/disk/tree"),
                               ("tmpfs in the guest", "/tmp/tree"))]


MAKERS = {"warmfs": warmfs, "virtiofs": virtiofs, "9p": nine, "SMB": smb,
          "NFS": nfs, "sshfs": sshfs, "limits": limits}


# --- what they share -------------------------------------------------------------

def daemon(bed, name, command):
    with open(bed.at / f"{name}.out", "wb") as log:
        bed.daemons.append(start(command, stdout=log, stderr=log, cwd=bed.at))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def relay(bed, port, to):
    """From the guest's vsock:2:PORT to something of the host."""
    socat = pathlib.Path(tool("socat", "socat"))
    if socat not in bed.other_programs:
        bed.other_programs.append(socat)
    daemon(bed, f"relay-{port}", with_children(
        [str(socat), "-b", "131072",
         f"UNIX-LISTEN:{bed.base}_{port},fork", to]))


def tcp_relay(bed, port):
    """A server on the host's loopback is on the guest's too."""
    relay(bed, port, f"TCP:127.0.0.1:{port},nodelay")
    bed.after_boot.append(
        f"socat -b 131072 TCP-LISTEN:{port},bind=127.0.0.1,fork,nodelay "
        f"VSOCK-CONNECT:2:{port} >/tmp/relay-{port}.log 2>&1 &")


def vsock_exec(port, command):
    """A command of the guest whose streams are a vsock stream to the host."""
    escaped = command.replace(",", "\\,").replace(":", "\\:")
    return f"socat VSOCK-CONNECT:2:{port} EXEC:'{escaped}',nofork"
