# What the programs in a terminal of expect's have in common: steps on standard input and what is
# printed are as telnet.py has them. `watch NAME` does them, with a program that was spawned.

encoding system utf-8
fconfigure stdin -encoding utf-8
set timeout 20
match_max 200000
log_user 0
set env(LC_ALL) C.UTF-8
set expect_out(buffer) ""

proc give_up {name step why} {
    puts stderr "$name: $step: $why, shown: $::expect_out(buffer)"
    exit 1
}

proc watch {name} {
    global spawn_id expect_out
    set count 0
    while {[gets stdin step] > 0} {
        set space [string first " " $step]
        if {$space < 0} { set space [string length $step] }
        set verb [string range $step 0 $space-1]
        set text [subst -nocommands -novariables [string range $step $space+1 end]]
        switch $verb {
            expect {
                expect {
                    -ex $text {}
                    timeout { expect * {}; give_up $name $step "not in time" }
                    eof { give_up $name $step "it has ended" }
                }
            }
            send { send -- $text }
            slow { foreach key [split $text ""] { send -- $key } }
            end {
                expect {
                    eof {}
                    timeout { give_up $name $step "it does not end" }
                }
            }
            default { give_up $name $step "no such step" }
        }
        incr count
        puts "{\"did\": $count}"
        flush stdout
    }
}
