# Asks nginx for one small thing after the other, so that its cache manager has one to remove every MS milliseconds and
# looks at every cache's size then (harness/proxies/nginx/cache.py). Ends with nginx, its parent, whose number it is
# told: it may be gone already. Perl's own modules alone.
use strict;
use warnings;
use IO::Socket::UNIX;

use constant TICKS_A_LOOK => 10;

my ($path, $ms, $nginx) = @ARGV;
my ($socket, $number) = (undef, 0);
my ($manager, $wakings) = (undef, -1);
$SIG{PIPE} = 'IGNORE';

while (getppid == $nginx) {
    # A little faster than they are removed, so that there is always one left.
    select undef, undef, undef, 0.8 * $ms / 1000;
    $socket //= IO::Socket::UNIX->new(Peer => $path) or next;
    $number++;
    print {$socket} "GET /$number HTTP/1.1\r\nHost: tick\r\n\r\n";
    $socket->flush;
    sysread($socket, my $answer, 4096) or $socket = undef;
    keep_awake() if $number % TICKS_A_LOOK == 0;
}

# A manager that found nothing to remove sleeps for 10 s, in which the caches grow: it does so if it is at work before
# the first tick, and if no tick came for a while. Its successor, which nginx makes, looks at once.
sub keep_awake {
    $manager //= find() // return;
    my ($state, $now) = state_of($manager);
    if (!defined $state) {
        ($manager, $wakings) = (undef, -1);
    } elsif ($state eq 'S' && $now == $wakings) {
        kill TERM => $manager;
        ($manager, $wakings) = (undef, -1);
    } else {
        $wakings = $now;
    }
}

# The state of a process as ps has it, and how often it was given a CPU; nothing if it is gone.
sub state_of {
    my $status = content("/proc/$_[0]/status");
    my ($state) = $status =~ /^State:\s+(\S)/m or return;
    my $switches = 0;
    $switches += $_ for $status =~ /^(?:non)?voluntary_ctxt_switches:\s+(\d+)/mg;
    return ($state, $switches);
}

# The number of nginx's cache manager; nothing while there is none.
sub find {
    for my $folder (glob '/proc/[0-9]*') {
        next if content("$folder/stat") !~ /^\d+ \(.*\) \S $nginx /s;
        return $folder =~ s{.*/}{}r if content("$folder/cmdline") =~ /^nginx: cache manager/;
    }
    return undef;
}

sub content {
    open my $file, '<', $_[0] or return '';
    local $/ = undef;
    return <$file> // '';
}
